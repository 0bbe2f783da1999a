/* A temporary folder of the test program's own, removed at the end with all that is in it. */
#ifndef PNB_TESTS_FOLDER_H
#define PNB_TESTS_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

static char folder[] = "/tmp/penumbra-test-XXXXXX";

/* Both: 0, or -1 where it failed. */
static inline int folder_make(void) { return mkdtemp(folder) ? 0 : -1; }

static inline int folder_remove(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) ? -1 : 0;
}

/* The same as a group of tests takes them. */
static inline int folder_setup(void **state) {
    (void)state;
    return folder_make();
}
static inline int folder_teardown(void **state) {
    (void)state;
    return folder_remove();
}

#endif
