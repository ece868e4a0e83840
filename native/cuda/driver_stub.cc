// SPDX-License-Identifier: Apache-2.0
// A libcuda.so.1 for tests on machines without an NVIDIA driver: cuDNN's engine libraries link the driver or look its
// functions up, and cannot be opened without one. Planning on a described device compiles the kernels of some engines
// and loads them: that much succeeds here, with handles to nothing, and every other function fails with
// CUDA_ERROR_STUB_LIBRARY. Only plan_check opens it.
enum { kSuccess = 0, kStubLibrary = 34 };

#define LENODE_STUB(name) \
  extern "C" __attribute__((visibility("default"))) int name() { return kStubLibrary; }

// The first argument is where the handle goes.
#define LENODE_LOADED(name)                                                         \
  extern "C" __attribute__((visibility("default"))) int name(const void** handle) { \
    static const char nothing = 0;                                                  \
    *handle = &nothing;                                                             \
    return kSuccess;                                                                \
  }

LENODE_LOADED(cuKernelGetFunction)
LENODE_LOADED(cuLibraryGetKernel)
LENODE_LOADED(cuLibraryLoadData)

extern "C" __attribute__((visibility("default"))) int cuKernelSetAttribute() { return kSuccess; }
extern "C" __attribute__((visibility("default"))) int cuLibraryUnload() { return kSuccess; }

LENODE_STUB(cuCtxGetCurrent)
LENODE_STUB(cuCtxGetLimit)
LENODE_STUB(cuCtxPopCurrent)
LENODE_STUB(cuCtxPushCurrent)
LENODE_STUB(cuDeviceGet)
LENODE_STUB(cuDeviceGetCount)
LENODE_STUB(cuDriverGetVersion)
LENODE_STUB(cuGetErrorName)
LENODE_STUB(cuGetErrorString)
LENODE_STUB(cuKernelGetAttribute)
LENODE_STUB(cuLaunchCooperativeKernel)
LENODE_STUB(cuLaunchKernel)
LENODE_STUB(cuLaunchKernelEx)
LENODE_STUB(cuLibraryLoadFromFile)
LENODE_STUB(cuLinkAddData)
LENODE_STUB(cuLinkComplete)
LENODE_STUB(cuLinkCreate)
LENODE_STUB(cuLinkDestroy)
LENODE_STUB(cuModuleGetFunction)
LENODE_STUB(cuModuleLoadData)
LENODE_STUB(cuModuleUnload)
LENODE_STUB(cuOccupancyMaxPotentialClusterSize)
LENODE_STUB(cuStreamGetCtx)
LENODE_STUB(cuTensorMapEncodeIm2col)
LENODE_STUB(cuTensorMapEncodeTiled)
