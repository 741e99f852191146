# mriops/_cuda: a fat binary with the CUDA runtime inside, so that a wheel depends on the driver alone.
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(MRIOPS_CUDA_ARCHITECTURES_AUTO ON)
  set(CMAKE_CUDA_ARCHITECTURES 80)
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
if(MRIOPS_CUDA_ARCHITECTURES_AUTO)
  # The last one carries PTX, which later GPUs translate when they load it.
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.8)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100-real 120)
  else()
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90)
  endif()
endif()

if(NOT MRIOPS_CUDA_SOURCES)
  message(STATUS "mriops: no CUDA sources")
  return()
endif()

add_library(mriops_cuda_kernels OBJECT ${MRIOPS_CUDA_SOURCES})
set_source_files_properties(${MRIOPS_CUDA_SOURCES} PROPERTIES LANGUAGE CUDA)
set_target_properties(mriops_cuda_kernels PROPERTIES
  CUDA_STANDARD 17 CUDA_STANDARD_REQUIRED ON CUDA_VISIBILITY_PRESET hidden CUDA_RUNTIME_LIBRARY Static)
target_compile_options(mriops_cuda_kernels PRIVATE
  $<$<COMPILE_LANGUAGE:CUDA>:--threads=2>
  $<$<COMPILE_LANGUAGE:CUDA>:-Xfatbin=-compress-all>
  $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<VERSION_GREATER_EQUAL:${CMAKE_CUDA_COMPILER_VERSION},12.8>>:-Xfatbin=-compress-mode=size>)
target_include_directories(mriops_cuda_kernels PRIVATE ${PROJECT_SOURCE_DIR}/csrc)

mriops_module(_cuda csrc/bindings/cuda.cpp ${MRIOPS_HOST_TABLES} $<TARGET_OBJECTS:mriops_cuda_kernels>)
string(REPLACE ";" " " architectures "${CMAKE_CUDA_ARCHITECTURES}")
target_compile_definitions(_cuda PRIVATE MRIOPS_CUDA_ARCHITECTURES="${architectures}")
set_target_properties(_cuda PROPERTIES CUDA_RUNTIME_LIBRARY Static LINKER_LANGUAGE CXX)
target_include_directories(_cuda PRIVATE ${PROJECT_SOURCE_DIR}/csrc)
target_link_libraries(_cuda PRIVATE CUDA::cudart_static)
install(TARGETS _cuda LIBRARY DESTINATION mriops)
