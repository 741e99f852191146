# mriops/_emu: the .cu files compiled as C++ against the emulator of csrc/core/gpu.h. For tests, never in a wheel.
file(GLOB MRIOPS_EMU_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/csrc/core/gpu_emu*.cpp)

if(MRIOPS_CUDA_SOURCES)
  # A .cpp around each .cu: one source file cannot be C++ in one target and CUDA in another.
  foreach(source IN LISTS MRIOPS_CUDA_SOURCES)
    get_filename_component(name ${source} NAME_WE)
    set(wrapper ${PROJECT_BINARY_DIR}/emu/${name}.cpp)
    file(CONFIGURE OUTPUT ${wrapper} CONTENT "#include \"${source}\"\n" @ONLY)
    list(APPEND MRIOPS_EMU_SOURCES ${wrapper})
  endforeach()
  add_library(mriops_emu_kernels STATIC ${MRIOPS_EMU_SOURCES} ${MRIOPS_HOST_TABLES})
  target_compile_definitions(mriops_emu_kernels PUBLIC MRIOPS_EMU)
  target_compile_options(mriops_emu_kernels PRIVATE -O2 -g1)
  target_include_directories(mriops_emu_kernels PUBLIC ${PROJECT_SOURCE_DIR}/csrc)
  target_link_libraries(mriops_emu_kernels PUBLIC Threads::Threads)
endif()
