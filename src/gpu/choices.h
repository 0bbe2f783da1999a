/* Which candidate an op takes for a shape on this device, where it was measured: the tuner's table.
 *
 * A table maps a key ("conv2d 3x3 n16 c32 o32 32x32") to the name of a candidate. Names and not numbers are kept, so
 * that a library that has other candidates ignores the names that it does not know. A pnb_gpu owns one table; it is
 * empty where nothing was tuned. */
#ifndef PNB_GPU_CHOICES_H
#define PNB_GPU_CHOICES_H

#include "gpu/gpu.h"

#include <stddef.h>
#include <stdint.h>

typedef struct pnb_choices pnb_choices;

typedef struct pnb_choice {
    const char *key, *name; /* the table's own */
} pnb_choice;

pnb_status pnb_choices_create(pnb_error *err, pnb_choices **out);
void pnb_choices_destroy(pnb_choices **choices); /* accepts NULL */

/* Enters a choice, or replaces the one under its key. Both strings are copied. */
pnb_status pnb_choices_set(pnb_choices *c, const char *key, const char *name);
void pnb_choices_clear(pnb_choices *c);
const char *pnb_choices_find(const pnb_choices *c, const char *key); /* NULL: none */
size_t pnb_choices_count(const pnb_choices *c);
pnb_choice pnb_choices_at(const pnb_choices *c, size_t i); /* sorted by key */

/* Of all keys and names; 0 for an empty table. */
uint64_t pnb_choices_hash(const pnb_choices *c);

/* As a file for this device, driver and library version. load fills an empty table, and leaves it empty where it fails:
 * PNB_ERROR_INPUT with file, place and expectation. save writes atomically and makes the folder. */
pnb_status pnb_choices_load(pnb_choices *c, const pnb_gpu_caps *caps, const char *path, pnb_error *err);
pnb_status pnb_choices_save(const pnb_choices *c, const pnb_gpu_caps *caps, const char *path, pnb_error *err);

/* While tuning: every choice takes candidate `index` modulo their number, whatever the table says; -1: back to the
 * table. */
void pnb_choices_explore(pnb_choices *c, int32_t index);

/* Choices that stand before the table's until they are taken back with NULL: those of a run that is gone on with. Borrowed. */
void pnb_choices_pin(pnb_choices *c, const pnb_choices *pins);

/* The index of the candidate to take: the table's where its name is among the n candidates, else `preferred`. c may be
 * NULL: an empty table. */
uint32_t pnb_choices_pick(const pnb_choices *c, const char *key, const char *const *candidates, uint32_t n,
                          uint32_t preferred);

#endif
