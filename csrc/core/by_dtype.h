// From a type code and untyped pointers to a template on the real type.
#pragma once

#define MRIOPS_BY_DTYPE(function, ...) \
    if (dtype == Dtype::complex64) {   \
        using T = float;               \
        function(__VA_ARGS__);         \
    } else {                           \
        using T = double;              \
        function(__VA_ARGS__);         \
    }
#define MRIOPS_IN(pointer) static_cast<const T*>(pointer)
#define MRIOPS_OUT(pointer) static_cast<T*>(pointer)
