/* Checkpoints: every persistent tensor of a solver and its adapter in one safetensors file, with a fingerprint of the
 * task. */
#include "solve/phases.h"
#include "solve/state_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One list over both stores, so that saving and loading agree by construction. */
enum { PARTS = 4 };
static void parts_of(const pnb_solver *s, pnb_state_part out[PARTS]) {
    out[0] = (pnb_state_part){"solver", s->store};
    out[1] = (pnb_state_part){"adapter", s->adapter ? pnb_adapter_store(s->adapter) : NULL};
    out[2] = (pnb_state_part){"generator", s->generator ? pnb_prior_store(s->generator) : NULL};
    out[3] = (pnb_state_part){"average", s->average ? pnb_prior_store(s->average) : NULL};
}

pnb_status pnb_solver_save(pnb_solver *s, const char *path) {
    pnb_state_part parts[PARTS];
    char fingerprint[32], choices[32], done[32], evaluations[32];
    PNB_TRY(pnb_gpu_wait(s->task.gpu));
    s->in_flight = 0;
    snprintf(fingerprint, sizeof fingerprint, "%016" PRIx64, s->fingerprint);
    snprintf(choices, sizeof choices, "%016" PRIx64, s->choices);
    snprintf(done, sizeof done, "%" PRIu32, s->done);
    snprintf(evaluations, sizeof evaluations, "%" PRIu64, s->evaluations);
    pnb_safetensors_pair meta[] = {{"format", "penumbra checkpoint 1"}, {"method", s->method}, {"fingerprint", fingerprint},
                                   {"choices", choices},                {"steps_done", done},  {"evaluations", evaluations}};
    parts_of(s, parts);
    return pnb_state_write(s->err, s->task.gpu, path, parts, PARTS, meta, sizeof meta / sizeof *meta);
}

/* The bytes of a run depend on which candidate of each op it took; they must be the same to the end. */
static pnb_status check_choices(const pnb_solver *s, pnb_safetensors *st, const char *path) {
    const char *choices = pnb_safetensors_metadata(st, "choices");
    char expected[32];
    snprintf(expected, sizeof expected, "%016" PRIx64, s->choices);
    if (choices && strcmp(choices, expected) == 0) return PNB_OK;
    return pnb_fail(
        s->err, PNB_ERROR_INPUT,
        "checkpoint '%s': its run took other kernels (%s) than this one would (%s), so the result would be another: "
        "the library changed; run without resume",
        path, choices ? choices : "not recorded", expected);
}

static pnb_status restore(pnb_solver *s, pnb_safetensors *st, const char *path) {
    const char *fingerprint = pnb_safetensors_metadata(st, "fingerprint"),
               *done = pnb_safetensors_metadata(st, "steps_done");
    const char *evaluations = pnb_safetensors_metadata(st, "evaluations");
    char expected[32];
    snprintf(expected, sizeof expected, "%016" PRIx64, s->fingerprint);
    if (!fingerprint || !done || !evaluations) {
        return pnb_fail(s->err, PNB_ERROR_INPUT,
                        "checkpoint '%s': expected a penumbra checkpoint, found no fingerprint in it", path);
    }
    if (strcmp(fingerprint, expected) != 0) {
        return pnb_fail(
            s->err, PNB_ERROR_INPUT,
            "checkpoint '%s': it belongs to another problem, prior, seed or set of options (fingerprint %s, this run has %s); "
            "run without resume, or with the settings of the first run",
            path, fingerprint, expected);
    }
    PNB_TRY(check_choices(s, st, path));
    unsigned long steps = strtoul(done, NULL, 10);
    if (steps > pnb_solver_steps(s)) {
        return pnb_fail(s->err, PNB_ERROR_INPUT, "checkpoint '%s': says %s steps are done, the run has %u", path, done,
                        pnb_solver_steps(s));
    }
    pnb_state_part parts[PARTS];
    parts_of(s, parts);
    PNB_TRY(pnb_state_read(s->err, s->task.gpu, st, parts, PARTS));
    s->done = (uint32_t)steps;
    s->evaluations = strtoull(evaluations, NULL, 10);
    return PNB_OK;
}

pnb_status pnb_solver_load(pnb_solver *s, const char *path) {
    pnb_safetensors *st;
    PNB_TRY(pnb_gpu_wait(s->task.gpu));
    s->in_flight = 0;
    PNB_TRY(pnb_safetensors_open(s->err, path, &st));
    pnb_status status = restore(s, st, path);
    pnb_safetensors_close(st);
    return status;
}
