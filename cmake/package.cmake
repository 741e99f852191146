# What C++ projects need to call the kernels: headers, a static library and find_package(mriops CONFIG).
# A static library, because then an extension carries what it needs and no search path of shared libraries is involved.
include(CMakePackageConfigHelpers)
foreach(header
    core/checks.h core/dtype.h core/isa.h core/parallel.h
    sense/sense.h sense/problem.h sense/dispatch.h
    nufft/nufft.h nufft/problem.h nufft/dispatch.h nufft/toeplitz.h nufft/toeplitz_problem.h
    spins/bloch.h spins/bloch_problem.h spins/bloch_dispatch.h spins/epg.h spins/epg_dispatch.h
    spins/models.h spins/models_dispatch.h)
  get_filename_component(folder ${header} DIRECTORY)
  install(FILES csrc/${header} DESTINATION mriops/include/mriops/${folder})
endforeach()
install(TARGETS mriops_kernels EXPORT mriopsTargets ARCHIVE DESTINATION mriops/lib)
install(EXPORT mriopsTargets NAMESPACE mriops:: DESTINATION mriops/cmake)
configure_package_config_file(cmake/mriopsConfig.cmake.in ${PROJECT_BINARY_DIR}/mriopsConfig.cmake
  INSTALL_DESTINATION mriops/cmake)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/mriopsConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mriopsConfig.cmake ${PROJECT_BINARY_DIR}/mriopsConfigVersion.cmake
  DESTINATION mriops/cmake)
