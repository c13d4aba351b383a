/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of shared memory and their names. A window "x" is the file /dev/shm/afd.x; while it is being made its file has
 * no name at all, so that a name only ever stands for a complete window, and a process that dies halfway leaves
 * nothing.
 *
 * Whoever changes what a name stands for first locks the file that has it (flock) and makes sure that the name still
 * stands for that file. Two that find the same dead owner therefore cannot both replace it.
 */
#ifndef AFD_WINDOW_SHM_H
#define AFD_WINDOW_SHM_H

#include <stdbool.h>
#include <stdint.h>

#include "afd/window.h"
#include "window/header.h"

#define AFD_SHM_FOLDER "/dev/shm"
#define AFD_SHM_PREFIX "afd."

enum { AFD_SHM_PATH_BYTES = 96 };

/* A name that may be used: 1..63 characters of [A-Za-z0-9._-], not starting with '.'. */
afd_status afd__shm_check_name(const char *name, afd_error *error);

/* The path of a checked name. */
void afd__shm_path(const char *name, char path[AFD_SHM_PATH_BYTES]);

typedef struct afd__shm_file {
    int fd;
    uint64_t file_bytes;
    afd__window_header header; /* our own copy, as it was read, unchecked */
} afd__shm_file;

typedef enum afd__shm_purpose {
    AFD__SHM_READ,  /* a live window, to look */
    AFD__SHM_WRITE, /* a live window, to produce into */
    AFD__SHM_DUMP   /* a file somewhere, to look; whose it is and who may read it does not matter */
} afd__shm_purpose;

/*
 * Opens a file and reads its header. Refuses what is not a regular file, and as a live window what others may reach or
 * what is another user's (root may open anybody's). AFD_ERR_NOT_FOUND if there is none.
 */
afd_status afd__shm_open(const char *path, afd__shm_purpose purpose, afd__shm_file *file, afd_error *error);

/* A new file without a name, with all its bytes reserved. It goes with its last descriptor and mapping. */
afd_status afd__shm_create(uint64_t bytes, int *fd, afd_error *error);

/* Who has a name. Locked until afd__shm_release(). */
typedef struct afd__shm_holder {
    bool found;
    bool valid;            /* its header can be believed */
    afd_owner_state owner; /* of a valid one */
    afd__shm_file file;
} afd__shm_holder;

/* Looks who has the name, and locks it. AFD_OK with found = false if nobody has it; AFD_ERR_EXISTS if somebody else has
 * kept it locked for seconds. */
afd_status afd__shm_hold(const char *name, afd__shm_holder *holder, afd_error *error);

/* Which file it is, whatever anybody writes into it. */
typedef struct afd__shm_identity {
    uint64_t device;
    uint64_t inode; /* 0 = none */
} afd__shm_identity;

afd__shm_identity afd__shm_identify(int fd);
void afd__shm_release(afd__shm_holder *holder);

/*
 * Gives the file `fd` the name, in the place of `holder` if one was found. AFD_NOT_YET if somebody else took the name
 * meanwhile: hold and decide again.
 */
afd_status afd__shm_take_name(int fd, const char *name, const afd__shm_holder *holder, afd_error *error);

/* Removes the name of a holder that was found. */
afd_status afd__shm_drop_name(const char *name, afd_error *error);

#endif
