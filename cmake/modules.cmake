# The Python modules. Bindings are small and compiled for size by nanobind; kernels come from their own libraries.
find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module OPTIONAL_COMPONENTS Development.SABIModule)
execute_process(COMMAND ${Python_EXECUTABLE} -m nanobind --cmake_dir
  OUTPUT_VARIABLE MRIOPS_NANOBIND_DIR OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
# Without a version: 2.x and 3.x serve alike, and a config of one major version refuses a request for the other.
find_package(nanobind CONFIG REQUIRED PATHS ${MRIOPS_NANOBIND_DIR} NO_DEFAULT_PATH)

set(MRIOPS_BINDING_DEFINITIONS
  MRIOPS_VERSION="${PROJECT_VERSION}"
  MRIOPS_COMPILER="${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")

function(mriops_module name)
  nanobind_add_module(${name} STABLE_ABI NB_STATIC ${ARGN})
  target_compile_definitions(${name} PRIVATE ${MRIOPS_BINDING_DEFINITIONS})
endfunction()

mriops_module(_cpu csrc/bindings/cpu.cpp)
target_link_libraries(_cpu PRIVATE mriops_kernels)
install(TARGETS _cpu LIBRARY DESTINATION mriops)

if(TARGET mriops_emu_kernels)
  mriops_module(_emu csrc/bindings/emu.cpp)
  target_link_libraries(_emu PRIVATE mriops_emu_kernels)
  install(TARGETS _emu LIBRARY DESTINATION mriops)
endif()

if(MRIOPS_CUDA STREQUAL "AUTO")
  include(CheckLanguage)
  check_language(CUDA)
  set(MRIOPS_BUILD_CUDA ${CMAKE_CUDA_COMPILER})
else()
  set(MRIOPS_BUILD_CUDA ${MRIOPS_CUDA})
endif()
if(MRIOPS_BUILD_CUDA)
  include(cmake/cuda.cmake)
else()
  message(STATUS "mriops: without CUDA kernels (MRIOPS_CUDA=${MRIOPS_CUDA}, no nvcc in use)")
endif()
