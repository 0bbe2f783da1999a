/* FNV-1a, 64 bits: hashes of keys, settings and file contents. Not against intent. */
#ifndef PNB_BASE_HASH_H
#define PNB_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const uint64_t PNB_HASH_START = 0xcbf29ce484222325ull;

/* The hash so far (PNB_HASH_START at first), with these bytes mixed in. */
static inline uint64_t pnb_hash(uint64_t hash, const void *bytes, size_t n) {
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++) hash = (hash ^ b[i]) * 0x100000001b3ull;
    return hash;
}

/* The same over 32-bit values, one a round: for arrays that are large. */
static inline uint64_t pnb_hash_floats(uint64_t hash, const float *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3ull;
    }
    return hash;
}

#endif
