# The Python modules. Bindings are small and compiled for size by nanobind; kernels come from their own libraries.
if(CMAKE_VERSION VERSION_LESS 3.26)
  set(MRIOPS_DEVELOPMENT Development.Module)
else()
  set(MRIOPS_DEVELOPMENT Development.Module OPTIONAL_COMPONENTS Development.SABIModule)
endif()
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter ${MRIOPS_DEVELOPMENT})
execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir
  OUTPUT_VARIABLE MRIOPS_NANOBIND_DIR OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
find_package(nanobind CONFIG REQUIRED PATHS ${MRIOPS_NANOBIND_DIR} NO_DEFAULT_PATH)

set(MRIOPS_BINDING_DEFINITIONS
  MRIOPS_VERSION="${PROJECT_VERSION}"
  MRIOPS_COMPILER="${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")

nanobind_add_module(_cpu STABLE_ABI NB_STATIC csrc/bindings/cpu.cpp)
target_compile_definitions(_cpu PRIVATE ${MRIOPS_BINDING_DEFINITIONS})
target_link_libraries(_cpu PRIVATE mriops_kernels)
install(TARGETS _cpu LIBRARY DESTINATION mriops COMPONENT python)
