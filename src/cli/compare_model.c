/* Runs of compare by a trained generator: the same simulated measurement that the other methods see, through reconstruct. */
#include "cli/compare_model.h"

#include "cli/results.h"

#include <stdlib.h>
#include <string.h>

char *cli_compare_path(const char *base, const char *pattern, const char *task) {
    static const char mark[] = "{task}";
    const char *at = strstr(pattern, mark), *rest = at ? at + sizeof mark - 1 : "";
    int before = at ? (int)(at - pattern) : (int)strlen(pattern);
    bool relative = pattern[0] != '/';
    size_t room = strlen(base) + strlen(pattern) + strlen(task) + 2;
    char *path = malloc(room);
    if (path) {
        snprintf(path, room, "%s%s%.*s%s%s", relative ? base : "", relative ? "/" : "", before, pattern, at ? task : "", rest);
    }
    return path;
}

static pnb_status write_measurement(pnb_context *context, pnb_problem *problem, const char *path) {
    pnb_extent image, measurement;
    pnb_status status = pnb_problem_extents(problem, &image, &measurement);
    float *y = status ? NULL : malloc(sizeof *y * pnb_extent_count(&measurement));
    if (!y) return status ? status : PNB_ERROR_OUT_OF_MEMORY;
    status = pnb_problem_measurement(problem, y);
    if (status == PNB_OK) status = pnb_ndarray_write(context, path, y, &measurement);
    free(y);
    return status;
}

/* The operator, or the noise without its seed, of a problem. NULL: no memory. */
static char *part_of(const cJSON *problem, const char *key) {
    cJSON *copy = cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(problem, key), true);
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "seed");
    char *text = copy ? cJSON_PrintUnformatted(copy) : NULL;
    cJSON_Delete(copy);
    return text;
}

/* PNB_OK, or which part differs, said on stderr. */
static int check_part(const cli_generator *g, const cJSON *trained, const cJSON *wanted, const char *key) {
    char *had = part_of(trained, key), *want = part_of(wanted, key);
    int code = had && want ? PNB_OK : PNB_ERROR_OUT_OF_MEMORY;
    if (code == PNB_OK && strcmp(had, want) != 0) {
        fprintf(stderr, "penumbra compare: '%s' was trained for %s %s; task '%s' has %s: train one for it\n", g->model, key, had,
                g->task, want);
        code = PNB_ERROR_INPUT;
    }
    cJSON_free(had);
    cJSON_free(want);
    return code;
}

static int check(const cli_args *args, pnb_context *context, const cli_generator *g, pnb_run *run, pnb_problem *problem) {
    char *trained = NULL, *wanted = NULL;
    pnb_status status = pnb_run_json(run, &trained);
    if (status == PNB_OK) status = pnb_problem_json(problem, &wanted);
    cJSON *had = cJSON_Parse(trained), *want = cJSON_Parse(wanted);
    const cJSON *old = cJSON_GetObjectItemCaseSensitive(had, "problem");
    int code = status ? cli_fail(args, context, status) : check_part(g, old, want, "operator");
    if (code == PNB_OK) code = check_part(g, old, want, "noise");
    cJSON_Delete(had);
    cJSON_Delete(want);
    pnb_free(trained);
    pnb_free(wanted);
    return code;
}

int cli_compare_reconstruct(const cli_args *args, pnb_context *context, const cli_generator *g) {
    pnb_reconstruct_params params = PNB_RECONSTRUCT_DEFAULTS;
    cli_results results = {.folder = g->folder};
    pnb_problem *problem = NULL;
    pnb_run *run = NULL;
    size_t room = strlen(g->folder) + sizeof ".measurement.npy";
    char *measurement = malloc(room);
    if (!measurement) return PNB_ERROR_OUT_OF_MEMORY;
    snprintf(measurement, room, "%s.measurement.npy", g->folder);
    params.model = g->model;
    params.measurement = measurement;
    params.truth = g->truth;
    params.n = g->samples;
    params.seed = g->seed;
    pnb_status status = pnb_problem_parse(context, g->problem, g->base, &problem);
    if (status == PNB_OK) status = write_measurement(context, problem, measurement);
    if (status == PNB_OK) status = pnb_run_create_reconstruction(context, &params, &run);
    int code = status ? cli_fail(args, context, status) : check(args, context, g, run, problem);
    if (code == PNB_OK) code = cli_results_run(args, context, run, &results);
    pnb_run_destroy(&run);
    pnb_problem_destroy(&problem);
    free(measurement);
    return code;
}
