# mriops/_emu: the .cu files compiled as C++ against the emulator of csrc/core/gpu.h. For tests, never installed.
file(GLOB MRIOPS_CUDA_SOURCES CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/csrc/core/*.cu ${PROJECT_SOURCE_DIR}/csrc/fft/*.cu ${PROJECT_SOURCE_DIR}/csrc/sense/*.cu)
file(GLOB MRIOPS_EMU_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/core/gpu_emu*.cpp)

if(MRIOPS_CUDA_SOURCES)
  set_source_files_properties(${MRIOPS_CUDA_SOURCES} PROPERTIES LANGUAGE CXX)
  add_library(mriops_emu_kernels OBJECT ${MRIOPS_CUDA_SOURCES} ${MRIOPS_EMU_SOURCES})
  # -x c++: the compiler driver would take .cu for CUDA or for a linker script.
  foreach(source IN LISTS MRIOPS_CUDA_SOURCES)
    set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-x;c++")
  endforeach()
  target_compile_definitions(mriops_emu_kernels PUBLIC MRIOPS_EMU=1)
  target_compile_options(mriops_emu_kernels PRIVATE -O2 -g1)
  target_link_libraries(mriops_emu_kernels PUBLIC Threads::Threads)

  mriops_module(_emu csrc/bindings/emu.cpp $<TARGET_OBJECTS:mriops_emu_kernels>)
  target_compile_definitions(_emu PRIVATE MRIOPS_EMU=1)
endif()
