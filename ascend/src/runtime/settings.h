/* SPDX-License-Identifier: Apache-2.0 */
/* What holds for the whole process: the number of devices, and the limits of waiting. */
#ifndef AFD_ASCEND_RUNTIME_SETTINGS_H
#define AFD_ASCEND_RUNTIME_SETTINGS_H

#include <stdint.h>

enum { AFD__ACL_DEVICE_NUM_DEFAULT = 16, AFD__ACL_DEVICE_NUM_MAX = 1024 };

/* The environment variable with the number of devices, in [1, AFD__ACL_DEVICE_NUM_MAX]; read once, at first use. */
#define AFD__ACL_DEVICE_NUM_VARIABLE "AFD_ASCEND_DEVICE_NUM"

uint32_t afd__acl_device_num(void);

/* 0, or ACL_ERROR_INVALID_PARAM with a sentence if the variable holds no such number; the default is then in force. */
int afd__acl_settings_check(void);

/* In seconds; 0 = no limit. */
uint32_t afd__acl_op_execute_timeout_s(void);
uint32_t afd__acl_op_wait_timeout_s(void);

#endif
