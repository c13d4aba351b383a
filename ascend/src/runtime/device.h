/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual devices: numbers, each with a context of its own that the first aclrtSetDevice() makes. */
#ifndef AFD_ASCEND_RUNTIME_DEVICE_H
#define AFD_ASCEND_RUNTIME_DEVICE_H

/* Ends every context and stream of every device. */
void afd__acl_devices_reset(void);

#endif
