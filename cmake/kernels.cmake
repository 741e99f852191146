# The CPU kernels: every *_cpu.cpp once per instruction set, and the little that is compiled once (pool, dispatch).
list(TRANSFORM MRIOPS_ROOMS PREPEND ${PROJECT_SOURCE_DIR}/csrc/ OUTPUT_VARIABLE folders)
list(TRANSFORM folders APPEND /*_cpu.cpp OUTPUT_VARIABLE globs)
file(GLOB MRIOPS_KERNEL_SOURCES CONFIGURE_DEPENDS ${globs})
list(TRANSFORM folders APPEND /*.cpp OUTPUT_VARIABLE globs)
file(GLOB MRIOPS_COMMON_SOURCES CONFIGURE_DEPENDS ${globs})
list(REMOVE_ITEM MRIOPS_COMMON_SOURCES ${MRIOPS_KERNEL_SOURCES})
list(TRANSFORM folders APPEND /*.cu OUTPUT_VARIABLE globs)
file(GLOB MRIOPS_CUDA_SOURCES CONFIGURE_DEPENDS ${globs})
list(FILTER MRIOPS_COMMON_SOURCES EXCLUDE REGEX "/gpu_emu[^/]*$")
# Tables that the CPU and the CUDA side compute alike on the host.
set(MRIOPS_HOST_TABLES ${PROJECT_SOURCE_DIR}/csrc/nufft/spreading_kernel.cpp)

# No -ffast-math: NaN, infinity and signed zero keep their meaning. The two flags below are what vectorising needs.
set(MRIOPS_KERNEL_FLAGS -O3 -fno-math-errno -fno-trapping-math)
# Template instances (std::vector<float>::resize and the like) stay inside their object: the linker keeps one copy of a
# weak function, and the one compiled for AVX-512 would run on every processor. Only g++ has the flag; with other
# compilers a test lists what would be shared.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND MRIOPS_KERNEL_FLAGS -fno-weak)
endif()
if(MRIOPS_SANITIZE)
  # Checks as calls and -O1: the unrolled kernels would take ten times as long to compile.
  list(APPEND MRIOPS_KERNEL_FLAGS -O1)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND MRIOPS_KERNEL_FLAGS --param=asan-instrumentation-with-call-threshold=0)
  endif()
endif()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(MRIOPS_ONLY_ISA "" CACHE STRING "Build for one instruction set, v2, v3 or v4, which the processor must have")
  set(MRIOPS_ISAS v2 v3 v4)
  if(MRIOPS_ONLY_ISA)
    set(MRIOPS_ISAS ${MRIOPS_ONLY_ISA})
  endif()
  set(MRIOPS_ISA_FLAGS_v2 -march=x86-64-v2)
  set(MRIOPS_ISA_FLAGS_v3 -march=x86-64-v3)
  # Compilers prefer 256-bit vectors on AVX-512 machines; lane blocks want the full width.
  set(MRIOPS_ISA_FLAGS_v4 -march=x86-64-v4 -mprefer-vector-width=512)
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag("-march=x86-64-v4" MRIOPS_HAS_ISA_LEVELS)
  if(NOT MRIOPS_HAS_ISA_LEVELS)
    message(FATAL_ERROR "mriops needs a compiler that knows -march=x86-64-v4 (g++ >= 11, clang >= 12), got "
      "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
  endif()
else()
  set(MRIOPS_ISAS generic)
  set(MRIOPS_ISA_FLAGS_generic "")
endif()

# v2 comes first: should a weak symbol slip in, the copy that runs everywhere is the one the linker keeps.
add_library(mriops_kernels STATIC ${MRIOPS_COMMON_SOURCES})
foreach(isa IN LISTS MRIOPS_ISAS)
  add_library(mriops_kernels_${isa} OBJECT ${MRIOPS_KERNEL_SOURCES})
  target_compile_options(mriops_kernels_${isa} PRIVATE ${MRIOPS_KERNEL_FLAGS} ${MRIOPS_ISA_FLAGS_${isa}})
  target_compile_definitions(mriops_kernels_${isa} PRIVATE MRIOPS_ISA=${isa})
  target_sources(mriops_kernels PRIVATE $<TARGET_OBJECTS:mriops_kernels_${isa}>)
endforeach()
add_library(mriops::kernels ALIAS mriops_kernels)
if(MRIOPS_ONLY_ISA)
  target_compile_definitions(mriops_kernels PRIVATE MRIOPS_ONLY_ISA=${MRIOPS_ONLY_ISA})
endif()
set_target_properties(mriops_kernels PROPERTIES EXPORT_NAME kernels)
target_compile_options(mriops_kernels PRIVATE -O2 -Wall -Wextra)
target_compile_features(mriops_kernels PUBLIC cxx_std_17)
target_link_libraries(mriops_kernels PUBLIC Threads::Threads)
target_include_directories(mriops_kernels PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/csrc>
  $<INSTALL_INTERFACE:mriops/include>)
