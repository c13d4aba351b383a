/* SPDX-License-Identifier: Apache-2.0 */
#include "afd/status.h"

#include "base/version.h"

const char *afd_status_text(afd_status status)
{
    switch (status) {
#define AFD_STATUS_TEXT(name, number, text) \
    case name: \
        return text;
        AFD_STATUS_MAP(AFD_STATUS_TEXT)
#undef AFD_STATUS_TEXT
    }
    return "unknown status";
}

const char *afd_status_name(afd_status status)
{
    switch (status) {
#define AFD_STATUS_NAME(name, number, text) \
    case name: \
        return #name;
        AFD_STATUS_MAP(AFD_STATUS_NAME)
#undef AFD_STATUS_NAME
    }
    return "AFD_?";
}

const char *afd_version(void)
{
    return AFD_VERSION_STRING;
}
