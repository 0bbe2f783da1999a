/* The parts of problem.json, each read into a pnb_problem by a function of its own. */
#ifndef PNB_API_PROBLEM_PARSE_H
#define PNB_API_PROBLEM_PARSE_H

#include "api/handles.h"

/* Fills an empty problem (ctx, file and base_dir are set). Takes nothing over: json stays the caller's. */
pnb_status pnb_problem_fill(pnb_problem *problem, const cJSON *json);
/* Chooses the method and sets its options to their defaults. */
pnb_status pnb_problem_set_method(pnb_problem *problem, const char *name);
enum { PNB_PHOTONS_MAX = 1000000000 };
/* Refuses photon noise that makes no sense, or of an operator whose entries have errors of their own. */
pnb_status pnb_problem_check_noise(pnb_problem *problem);
/* Takes the measurement that came with the operator's file, where there is one. */
pnb_status pnb_problem_take_given(pnb_problem *problem);
/* Several of what the problem has one of: `want` is the shape of one (the measurement's or the image's); entries that are
 * not measured become 0. path: a folder of files in the order of their names, or an array [n, want...]. To be freed. */
pnb_status pnb_problem_read_many(pnb_problem *problem, const char *key, const char *path, pnb_shape want,
                                 const float *measured, uint32_t *n, float **out);
/* Sentences of a failure that begin with the problem's file. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
pnb_status
pnb_problem_fail(pnb_problem *problem, pnb_status status, const char *format, ...);
/* The largest seed that JSON carries exactly: 2^53. */
#define PNB_SEED_MAX 9007199254740992

#endif
