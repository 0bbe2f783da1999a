/* The parts of problem.json, each read into a pnb_problem by a function of its own. */
#ifndef PNB_API_PROBLEM_PARSE_H
#define PNB_API_PROBLEM_PARSE_H

#include "api/handles.h"
#include "io/json.h"

/* Fills an empty problem (ctx, file and base_dir are set). Takes nothing over: json stays the caller's. */
pnb_status pnb_problem_fill(pnb_problem *problem, const cJSON *json);
/* Chooses the method and sets its options to their defaults. */
pnb_status pnb_problem_set_method(pnb_problem *problem, const char *name);
enum { PNB_PHOTONS_MAX = 1000000000 };
/* Refuses photon noise that makes no sense, or of an operator whose entries have errors of their own. */
pnb_status pnb_problem_check_noise(pnb_problem *problem);
/* Takes the measurement that came with the operator's file, where there is one. */
pnb_status pnb_problem_take_given(pnb_problem *problem);
/* problem_values.c: numbers of this shape at a key, from a file or a list in place; entries that are not measured become 0. *map:
 * how the file's numbers were taken. *out and *source (what the resolved problem has there) are the caller's. */
pnb_status pnb_problem_read_values(pnb_problem *problem, const char *key, const pnb_json *doc, pnb_shape want,
                                   const float *measured, pnb_value_map *map, float **out, cJSON **source);
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
/* Numbers of a problem at most: 2^22, 32 MB. */
enum { PNB_PROBLEM_NUMBERS = 1 << 22 };
/* The largest seed that JSON carries exactly: 2^53. */
#define PNB_SEED_MAX 9007199254740992

#endif
