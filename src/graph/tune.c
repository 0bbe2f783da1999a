/* Times by key and candidate, and the choice between them. */
#include "graph/tune.h"

#include "graph/internal.h"

#include <stdlib.h>
#include <string.h>

/* One candidate of one key. */
typedef struct entry {
    char *key;
    const char *name, *preferred;
    double open; /* of the sample that is being added to */
    bool touched;
    double *ms; /* closed samples */
    size_t count, capacity;
} entry;

struct pnb_tuner {
    pnb_error *err;
    entry *entries;
    size_t count, capacity;
    uint32_t candidates;
    pnb_tuned *rows;
};

pnb_status pnb_tuner_create(pnb_error *err, pnb_tuner **out) {
    *out = calloc(1, sizeof **out);
    if (!*out) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "tuner: out of host memory");
    **out = (pnb_tuner){.err = err, .candidates = 1};
    return PNB_OK;
}

void pnb_tuner_destroy(pnb_tuner **tuner) {
    pnb_tuner *t = tuner ? *tuner : NULL;
    if (!t) return;
    for (size_t i = 0; i < t->count; i++) {
        free(t->entries[i].key);
        free(t->entries[i].ms);
    }
    free(t->entries);
    free(t->rows);
    free(t);
    *tuner = NULL;
}

static entry *find(const pnb_tuner *t, const char *key, const char *name) {
    for (size_t i = 0; i < t->count; i++) {
        entry *e = &t->entries[i];
        if (strcmp(e->key, key) == 0 && strcmp(e->name, name) == 0) return e;
    }
    return NULL;
}

pnb_status pnb_tuner_add(pnb_tuner *t, const pnb_choice_made *choice, double ms) {
    entry *e = find(t, choice->key, choice->name);
    if (!e) {
        PNB_TRY(pnb_reserve(t->err, &t->entries, &t->capacity, t->count + 1, sizeof *t->entries));
        e = &t->entries[t->count];
        *e = (entry){.key = pnb_copy_text(t->err, choice->key), .name = choice->name, .preferred = choice->preferred};
        if (!e->key) return PNB_ERROR_OUT_OF_MEMORY;
        t->count++;
    }
    if (choice->n > t->candidates) t->candidates = choice->n;
    e->open += ms;
    e->touched = true;
    return PNB_OK;
}

pnb_status pnb_tuner_take(pnb_tuner *t, pnb_program *p) {
    const pnb_profile_row *rows;
    size_t count, choices;
    const pnb_choice_made *made = pnb_program_choices(p, &choices);
    PNB_TRY(pnb_program_profile(p, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        for (int k = 0; k < 2; k++) {
            if (rows[i].choice[k] >= 0) PNB_TRY(pnb_tuner_add(t, &made[rows[i].choice[k]], rows[i].ms));
        }
    }
    return PNB_OK;
}

pnb_status pnb_tuner_close(pnb_tuner *t) {
    for (size_t i = 0; i < t->count; i++) {
        entry *e = &t->entries[i];
        if (!e->touched) continue;
        PNB_TRY(pnb_reserve(t->err, &e->ms, &e->capacity, e->count + 1, sizeof *e->ms));
        e->ms[e->count++] = e->open;
        e->open = 0;
        e->touched = false;
    }
    return PNB_OK;
}

uint32_t pnb_tuner_candidates(const pnb_tuner *t) {
    return t->candidates;
}

/* ---- deciding ---------------------------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Other work on the machine only ever adds time, and the number of samples may differ: so the quartile, not the least.
 */
static double lower_quartile(entry *e) {
    qsort(e->ms, e->count, sizeof *e->ms, ascending);
    return e->ms[e->count / 4];
}

/* The row of the key of entry `first`, which is its first; false where it has nothing to choose from. */
static bool decide(pnb_tuner *t, size_t first, double margin, pnb_tuned *row) {
    entry *preferred = find(t, t->entries[first].key, t->entries[first].preferred);
    if (!preferred || preferred->count == 0) return false;
    double best = lower_quartile(preferred);
    bool others = false;
    *row = (pnb_tuned){preferred->key, preferred->name, preferred->name, best, best};
    for (size_t i = first; i < t->count; i++) {
        entry *e = &t->entries[i];
        if (e == preferred || e->count == 0 || strcmp(e->key, preferred->key) != 0) continue;
        others = true;
        double ms = lower_quartile(e);
        if (ms >= row->ms || ms * margin >= row->preferred_ms) continue;
        row->winner = e->name;
        row->ms = ms;
    }
    return others;
}

static bool is_first_of_key(const pnb_tuner *t, size_t i) {
    for (size_t k = 0; k < i; k++) {
        if (strcmp(t->entries[k].key, t->entries[i].key) == 0) return false;
    }
    return true;
}

pnb_status pnb_tuner_decide(pnb_tuner *t, double margin, const pnb_tuned **rows, size_t *count) {
    free(t->rows);
    t->rows = calloc(t->count + 1, sizeof *t->rows);
    *count = 0;
    if (!t->rows) return pnb_fail(t->err, PNB_ERROR_OUT_OF_MEMORY, "tuner: out of host memory");
    for (size_t i = 0; i < t->count; i++) {
        if (is_first_of_key(t, i) && decide(t, i, margin, &t->rows[*count])) ++*count;
    }
    *rows = t->rows;
    return PNB_OK;
}
