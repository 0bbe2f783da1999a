/* What the files about runs and their output folders share. */
#ifndef PNB_API_RUNS_H
#define PNB_API_RUNS_H

#include "api/handles.h"

/* NULL: no memory. */
pnb_run *pnb_run_new(pnb_context *ctx);
/* The lists step, data, prior, auxiliary (null where a method has no such term). false: no memory. */
bool pnb_run_add_history(const pnb_run *run, cJSON *object);

/* folder.c: the output folder and its checkpoint. *state: path of the state file, the caller frees. */
pnb_status pnb_folder_prepare(pnb_error *err, const char *folder, char **state);
/* Remove the files that this library writes, no others: results, or results and checkpoint. */
pnb_status pnb_folder_clear_results(pnb_error *err, const char *folder);
pnb_status pnb_folder_clear(pnb_error *err, const char *folder);
void pnb_folder_remove_checkpoint(const char *folder);
/* samples.npy: samples [K, image...], for the caller to free; image: the shape of one, [C,H,W] or [D]. */
pnb_status pnb_folder_samples(pnb_error *err, const char *folder, pnb_array *samples, pnb_shape *image);

/* resume.c: "problem", "sampling" or "reconstruction". */
const char *pnb_run_kind(const pnb_run *run);
/* The object {problem}, {sampling} or {reconstruction}, resolved, by which a run is known; NULL without memory. */
cJSON *pnb_run_identity(pnb_run *run);
/* Fails where two documents differ: `there`, read from path, and `here`; name: what both are. */
pnb_status pnb_check_same(pnb_error *err, const cJSON *there, const cJSON *here, const char *name, const char *path);
/* Fails where `json`, read from path, has another identity; the sentence says in what. */
pnb_status pnb_run_check_same(pnb_run *run, const cJSON *json, const char *path);
/* "kernels": which candidate each op of the run took, by its key. false: no memory. */
bool pnb_run_add_kernels(const pnb_run *run, cJSON *object);
/* The run takes the kernels that stand in `json`, whatever was tuned since: its programs are built again where they differ. */
pnb_status pnb_run_take_kernels(pnb_run *run, const cJSON *json);
pnb_status pnb_run_check_complete(pnb_run *run, const char *folder); /* the same with the folder's run.json */

#endif
