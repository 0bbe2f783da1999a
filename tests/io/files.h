/* What the tests of files share: a folder of their own, raw bytes in and out, damage at random, and checks of error
 * sentences. Include after cmocka.h. */
#ifndef PNB_TESTS_IO_FILES_H
#define PNB_TESTS_IO_FILES_H

#include "base/status.h"

#include "folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A teardown that fails when a file is left: tests remove what they make, and atomic writes leave nothing else. */
static inline int remove_empty_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

/* "folder/name", in a static buffer of which there are two. */
static inline const char *in_folder(const char *name) {
    static char buffers[2][256];
    static int turn;
    turn = !turn;
    snprintf(buffers[turn], sizeof buffers[turn], "%s/%s", folder, name);
    return buffers[turn];
}

static inline void put_bytes(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (n > 0) assert_int_equal(fwrite(bytes, 1, n, f), n); /* bytes may be NULL where there are none */
    assert_int_equal(fclose(f), 0);
}

/* malloc'd; the test frees it. */
static inline unsigned char *get_bytes(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *n = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*n + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

static inline void assert_sentence(const pnb_error *err, pnb_status want, pnb_status got, const char *part) {
    if (got != want || err->status != want || !strstr(err->message, part)) {
        fail_msg("expected status %d and a sentence with \"%s\", found %d: %s", (int)want, part, (int)got,
                 err->message);
    }
    assert_null(strchr(err->message, '\n'));
}

static inline unsigned next_random(unsigned long long *state) {
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(*state >> 33);
}

/* Writes `rounds` damaged copies of a file (cut short, or a few bytes changed, most of them in the first `head` bytes)
 * to `path` and calls load for each; load must come back, whatever it says. Run under AddressSanitizer this is a small
 * fuzzer. */
static inline void try_damage(const unsigned char *bytes, size_t n, size_t head, int rounds, const char *path,
                              void (*load)(const char *path)) {
    unsigned long long random = 7;
    unsigned char *copy = malloc(n + 1);
    assert_non_null(copy);
    for (int r = 0; r < rounds; r++) {
        memcpy(copy, bytes, n);
        size_t length = n;
        if (r % 3 == 0) {
            length = next_random(&random) % (n + 1);
        } else {
            for (unsigned k = 1 + next_random(&random) % 4; k > 0; k--) {
                size_t at = next_random(&random) % (next_random(&random) % 4 ? head : n);
                copy[at] = r % 2 ? (unsigned char)next_random(&random)
                                 : (unsigned char)(copy[at] ^ (1u << (next_random(&random) & 7u)));
            }
        }
        put_bytes(path, copy, length);
        load(path);
    }
    free(copy);
    remove(path);
}

#endif
