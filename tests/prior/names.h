/* The list of a network's tensors, as a file has it, for tests of readers. */
#ifndef PNB_TESTS_PRIOR_NAMES_H
#define PNB_TESTS_PRIOR_NAMES_H

#include <stdio.h>

#include "prior/unet.h"

typedef struct names {
    pnb_tensor_info info[512];
    char text[512][PNB_UNET_NAME_SIZE];
    size_t count;
} names;

/* A visitor of tensors: user is the list. */
static inline pnb_status collect(void *user, const char *name, pnb_shape shape) {
    names *n = user;
    snprintf(n->text[n->count], PNB_UNET_NAME_SIZE, "%s", name);
    n->info[n->count] = (pnb_tensor_info){.name = n->text[n->count], .rank = shape.rank};
    for (uint32_t i = 0; i < shape.rank; i++) n->info[n->count].shape[i] = shape.d[i];
    n->count++;
    return PNB_OK;
}

#endif
