/* SPDX-License-Identifier: Apache-2.0 */
/* The machines that libafd is for. Others are refused here, at compile time, rather than being subtly wrong. */
#ifndef AFD_BASE_PLATFORM_H
#define AFD_BASE_PLATFORM_H

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "libafd's windows and contexts are little-endian; this machine is not"
#endif

#if !defined(__LP64__)
#error "libafd keeps 64-bit addresses in its contexts; this machine has others"
#endif

#if !defined(__linux__)
#error "libafd runs on Linux"
#endif

#endif
