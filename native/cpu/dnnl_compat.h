// SPDX-License-Identifier: Apache-2.0
// oneDNN 2.6 and 3.x under one face: what differs is how a primitive descriptor is made.
#pragma once
#include <oneapi/dnnl/dnnl.hpp>

namespace lenode::cpu {

template <class Primitive, class... Args>
typename Primitive::primitive_desc forward_desc(const dnnl::engine& engine, const dnnl::primitive_attr& attr,
                                                const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, args..., attr);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(args...), attr, engine);
#endif
}

// `hint` is the descriptor of the forward primitive.
template <class Primitive, class Hint, class... Args>
typename Primitive::primitive_desc backward_desc(const dnnl::engine& engine, const dnnl::primitive_attr& attr,
                                                 const Hint& hint, const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine, args..., hint, attr);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(args...), attr, engine, hint);
#endif
}

// The instruction set that oneDNN uses here, in oneDNN's own words.
inline const char* dnnl_isa_name() {
  using dnnl::cpu_isa;
  switch (dnnl::get_effective_cpu_isa()) {
    case cpu_isa::sse41: return "sse41";
    case cpu_isa::avx: return "avx";
    case cpu_isa::avx2: return "avx2";
    case cpu_isa::avx2_vnni: return "avx2_vnni";
    case cpu_isa::avx512_core: return "avx512_core";
    case cpu_isa::avx512_core_vnni: return "avx512_core_vnni";
    case cpu_isa::avx512_core_bf16: return "avx512_core_bf16";
    case cpu_isa::avx512_core_amx: return "avx512_core_amx";
#if DNNL_VERSION_MAJOR >= 3
    case cpu_isa::avx2_vnni_2: return "avx2_vnni_2";
    case cpu_isa::avx512_core_fp16: return "avx512_core_fp16";
    case cpu_isa::avx512_core_amx_fp16: return "avx512_core_amx_fp16";
#endif
    default: return "generic";
  }
}

}  // namespace lenode::cpu
