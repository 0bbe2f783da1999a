/* Choices between ways to build an op: what the tuner's table says, and a record of what was chosen, for timing and for
 * checkpoints. */
#include "graph/internal.h"

#include "gpu/choices.h"

#include <stdlib.h>
#include <string.h>

const pnb_gpu_caps *pnb_graph_caps(const pnb_graph *g) {
    return &g->caps;
}

/* The number of (key, name) in the record, entered if it is new; -1 without memory, which the plan then reports. */
static int32_t record(pnb_graph *g, pnb_choice_made made) {
    for (size_t i = g->choice_count; i-- > 0;) {
        if (g->choices[i].name == made.name && strcmp(g->choices[i].key, made.key) == 0) return (int32_t)i;
    }
    g->choices_failed = g->choices_failed || pnb_reserve(g->err, &g->choices, &g->choice_capacity, g->choice_count + 1,
                                                         sizeof *g->choices) != PNB_OK;
    made.key = g->choices_failed ? NULL : pnb_copy_text(g->err, made.key);
    if (!made.key) {
        g->choices_failed = true;
        return -1;
    }
    g->choices[g->choice_count] = made;
    return (int32_t)g->choice_count++;
}

static uint32_t choose(pnb_graph *g, const char *key, const char *const *candidates, uint32_t n, uint32_t preferred,
                       int32_t *number) {
    uint32_t i = pnb_choices_pick(g->gpu ? pnb_gpu_choices(g->gpu) : NULL, key, candidates, n, preferred);
    *number = record(g, (pnb_choice_made){key, candidates[i], candidates[preferred], n});
    return i;
}

uint32_t pnb_graph_choose(pnb_graph *g, const char *key, const char *const *candidates, uint32_t n,
                          uint32_t preferred) {
    return choose(g, key, candidates, n, preferred, &g->open_choice);
}

int32_t pnb_graph_choice_of(const pnb_graph *g, const pnb_op *op) {
    if (g->open_choice < 0) return -1;
    const char *key = g->choices[g->open_choice].key;
    return strncmp(op->name, key, strcspn(key, " ")) == 0 ? g->open_choice : -1;
}

uint32_t pnb_lower_choose(pnb_lower *l, const char *key, const char *const *candidates, uint32_t n,
                          uint32_t preferred) {
    return choose(l->g, key, candidates, n, preferred, &l->choice);
}

pnb_status pnb_choice_made_copy(pnb_error *err, const pnb_choice_made *from, size_t count, pnb_choice_made **out) {
    *out = calloc(count + 1, sizeof **out);
    if (!*out) return pnb_fail(err, PNB_ERROR_OUT_OF_MEMORY, "choices: out of host memory");
    for (size_t i = 0; i < count; i++) {
        (*out)[i] = from[i];
        (*out)[i].key = pnb_copy_text(err, from[i].key);
        if ((*out)[i].key) continue;
        pnb_choice_made_free(*out, i);
        *out = NULL;
        return PNB_ERROR_OUT_OF_MEMORY;
    }
    return PNB_OK;
}

void pnb_choice_made_free(pnb_choice_made *choices, size_t count) {
    for (size_t i = 0; i < count; i++) free((char *)(uintptr_t)choices[i].key);
    free(choices);
}
