/* The tuner's table in memory: a sorted array of keys and names. */
#include "gpu/choices.h"

#include "base/hash.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct pnb_choices {
    pnb_error *err;
    struct {
        char *key, *name;
    } * rows;
    size_t count, room;
    int32_t explore; /* -1: off */
    const pnb_choices *pins;
};

pnb_status pnb_choices_create(pnb_error *err, pnb_choices **out) {
    *out = calloc(1, sizeof **out);
    if (!*out) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "tuning table: out of host memory");
    **out = (pnb_choices){.err = err, .explore = -1};
    return PNB_OK;
}

void pnb_choices_clear(pnb_choices *c) {
    for (size_t i = 0; i < c->count; i++) {
        free(c->rows[i].key);
        free(c->rows[i].name);
    }
    c->count = 0;
}

void pnb_choices_destroy(pnb_choices **choices) {
    pnb_choices *c = choices ? *choices : NULL;
    if (!c) return;
    pnb_choices_clear(c);
    free(c->rows);
    free(c);
    *choices = NULL;
}

/* Where key stands, or where it would be entered. */
static size_t place_of(const pnb_choices *c, const char *key, bool *there) {
    size_t low = 0, high = c->count;
    *there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(c->rows[middle].key, key);
        if (order == 0) {
            *there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static pnb_status no_memory(const pnb_choices *c) {
    return pnb_fail(c->err, PNB_ERROR_OUT_OF_MEMORY, "tuning table: out of host memory");
}

pnb_status pnb_choices_set(pnb_choices *c, const char *key, const char *name) {
    bool there;
    size_t at = place_of(c, key, &there);
    char *new_name = pnb_copy_string(name);
    if (!new_name) return no_memory(c);
    if (there) {
        free(c->rows[at].name);
        c->rows[at].name = new_name;
        return PNB_OK;
    }
    char *new_key = pnb_copy_string(key);
    if (new_key && c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 64;
        void *rows = realloc(c->rows, room * sizeof *c->rows);
        if (rows) {
            c->rows = rows;
            c->room = room;
        }
    }
    if (!new_key || c->count == c->room) {
        free(new_key);
        free(new_name);
        return no_memory(c);
    }
    memmove(c->rows + at + 1, c->rows + at, (c->count - at) * sizeof *c->rows);
    c->rows[at].key = new_key;
    c->rows[at].name = new_name;
    c->count++;
    return PNB_OK;
}

const char *pnb_choices_find(const pnb_choices *c, const char *key) {
    bool there;
    size_t at = place_of(c, key, &there);
    return there ? c->rows[at].name : NULL;
}

size_t pnb_choices_count(const pnb_choices *c) {
    return c->count;
}
pnb_choice pnb_choices_at(const pnb_choices *c, size_t i) {
    return (pnb_choice){c->rows[i].key, c->rows[i].name};
}
uint64_t pnb_choices_hash(const pnb_choices *c) { /* the closing zeros included */
    uint64_t hash = PNB_HASH_START;
    for (size_t i = 0; i < c->count; i++) {
        hash = pnb_hash(hash, c->rows[i].key, strlen(c->rows[i].key) + 1);
        hash = pnb_hash(hash, c->rows[i].name, strlen(c->rows[i].name) + 1);
    }
    return c->count ? hash : 0;
}

void pnb_choices_explore(pnb_choices *c, int32_t index) {
    c->explore = index;
}

void pnb_choices_pin(pnb_choices *c, const pnb_choices *pins) {
    c->pins = pins;
}

uint32_t pnb_choices_pick(const pnb_choices *c, const char *key, const char *const *candidates, uint32_t n,
                          uint32_t preferred) {
    if (!c || n < 2) return preferred;
    if (c->explore >= 0) return (uint32_t)c->explore % n;
    const char *name = c->pins ? pnb_choices_find(c->pins, key) : NULL;
    if (!name) name = pnb_choices_find(c, key);
    for (uint32_t i = 0; name && i < n; i++) {
        if (strcmp(candidates[i], name) == 0) return i;
    }
    return preferred;
}
