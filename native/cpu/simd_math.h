// SPDX-License-Identifier: Apache-2.0
// Include before anything that uses expf and friends in a loop: it tells gcc that glibc's libmvec has vector versions
// of them (at most 4 ulp off), which glibc's own headers say only under -ffast-math. The loops' remainders and other
// platforms call the ordinary functions.
#pragma once
#include <cmath>

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define LENODE_SIMD extern "C" __attribute__((__simd__("notinbranch")))
LENODE_SIMD float expf(float) noexcept;
LENODE_SIMD double exp(double) noexcept;
LENODE_SIMD float logf(float) noexcept;
LENODE_SIMD double log(double) noexcept;
LENODE_SIMD float sinf(float) noexcept;
LENODE_SIMD double sin(double) noexcept;
LENODE_SIMD float cosf(float) noexcept;
LENODE_SIMD double cos(double) noexcept;
LENODE_SIMD float powf(float, float) noexcept;
LENODE_SIMD double pow(double, double) noexcept;
#if __GLIBC_PREREQ(2, 35)
LENODE_SIMD float tanhf(float) noexcept;
LENODE_SIMD double tanh(double) noexcept;
LENODE_SIMD float erff(float) noexcept;
LENODE_SIMD double erf(double) noexcept;
LENODE_SIMD float expm1f(float) noexcept;
LENODE_SIMD double expm1(double) noexcept;
LENODE_SIMD float log1pf(float) noexcept;
LENODE_SIMD double log1p(double) noexcept;
LENODE_SIMD float acosf(float) noexcept;
LENODE_SIMD double acos(double) noexcept;
LENODE_SIMD float acoshf(float) noexcept;
LENODE_SIMD double acosh(double) noexcept;
LENODE_SIMD float asinf(float) noexcept;
LENODE_SIMD double asin(double) noexcept;
LENODE_SIMD float asinhf(float) noexcept;
LENODE_SIMD double asinh(double) noexcept;
LENODE_SIMD float atanf(float) noexcept;
LENODE_SIMD double atan(double) noexcept;
LENODE_SIMD float atanhf(float) noexcept;
LENODE_SIMD double atanh(double) noexcept;
LENODE_SIMD float coshf(float) noexcept;
LENODE_SIMD double cosh(double) noexcept;
LENODE_SIMD float sinhf(float) noexcept;
LENODE_SIMD double sinh(double) noexcept;
LENODE_SIMD float tanf(float) noexcept;
LENODE_SIMD double tan(double) noexcept;
LENODE_SIMD float log2f(float) noexcept;
LENODE_SIMD double log2(double) noexcept;
LENODE_SIMD float log10f(float) noexcept;
LENODE_SIMD double log10(double) noexcept;
LENODE_SIMD float erfcf(float) noexcept;
LENODE_SIMD double erfc(double) noexcept;
LENODE_SIMD float atan2f(float, float) noexcept;
LENODE_SIMD double atan2(double, double) noexcept;
LENODE_SIMD float hypotf(float, float) noexcept;
LENODE_SIMD double hypot(double, double) noexcept;
#endif
#undef LENODE_SIMD
#endif
