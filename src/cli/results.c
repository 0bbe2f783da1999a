/* Running into an output folder, with progress and a closing sentence. */
#include "cli/results.h"

#include <math.h>
#include <stdlib.h>

int cli_results_check(const cli_args *args, pnb_context *context, const cli_results *results) {
    int has_results, has_checkpoint, complete;
    pnb_status status = pnb_folder_state(context, results->folder, &has_results, &has_checkpoint, &complete);
    if (status) return cli_fail(args, context, status);
    if (results->resume && !complete && !has_checkpoint && !args->common.quiet) {
        fprintf(stderr, "'%s' has no checkpoint: starting from the beginning\n", results->folder);
    }
    if ((has_results || has_checkpoint) && !args->common.overwrite && !results->resume) {
        return cli_usage(args->command, "'%s' already holds results: choose another folder, or --overwrite%s",
                         results->folder, has_checkpoint ? ", or --resume" : "");
    }
    return CLI_GO_ON;
}

static double number(const cJSON *object, const char *key) {
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

static void say_what_came(const cli_results *results) {
    size_t bytes = 4096;
    char *path = malloc(bytes);
    if (!path) return;
    snprintf(path, bytes, "%s/run.json", results->folder);
    char *text = cli_read_text(path), duration[24];
    cJSON *json = text ? cJSON_Parse(text) : NULL;
    const cJSON *scores = cJSON_GetObjectItemCaseSensitive(json, "scores"), *warning;
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(json, "seconds");
    if (json) {
        fprintf(stderr, "wrote %s: %g samples, %g of %g steps in %s", results->folder, number(json, "particles"),
                number(json, "steps_done"), number(json, "steps"),
                cli_duration(number(seconds, "total"), duration, sizeof duration));
        if (isfinite(number(scores, "psnr_mean")))
            fprintf(stderr, ", PSNR of the mean %.2f dB", number(scores, "psnr_mean"));
        if (isfinite(number(scores, "residual"))) {
            fprintf(stderr, ", RMS(y - A x)/sigma %.4g", number(scores, "residual"));
        }
        fprintf(stderr, "\n");
    }
    warning = cJSON_GetObjectItemCaseSensitive(json, "warnings");
    for (warning = warning ? warning->child : NULL; warning; warning = warning->next) {
        if (cJSON_IsString(warning)) fprintf(stderr, "warning: %s\n", warning->valuestring);
    }
    cJSON_Delete(json);
    free(text);
    free(path);
}

int cli_results_run(const cli_args *args, pnb_context *context, pnb_run *run, const cli_results *results) {
    cli_progress progress;
    if (!cli_progress_init(args, &progress)) return PNB_ERROR_USAGE;
    if (cli_stopped()) {
        fprintf(stderr, "penumbra %s: cancelled before the first step\n", args->command->name);
        return PNB_ERROR_CANCELLED;
    }
    pnb_solve_params params = PNB_SOLVE_DEFAULTS;
    params.folder = results->folder;
    params.overwrite = args->common.overwrite;
    params.resume = results->resume;
    params.progress = cli_progress_step;
    params.user = &progress;
    if (results->checkpoint.given) params.checkpoint_seconds = results->checkpoint.value;
    int complete = 0;
    pnb_status status = pnb_folder_state(context, results->folder, NULL, NULL, &complete);
    complete = complete && results->resume;
    if (status == PNB_OK) status = pnb_run_solve(run, &params);
    cli_progress_end(&progress);
    if (status == PNB_OK && complete) {
        if (!args->common.quiet) fprintf(stderr, "'%s' is complete already\n", results->folder);
        return PNB_OK;
    }
    if (status) cli_fail(args, context, status);
    if ((status == PNB_OK || status == PNB_ERROR_CANCELLED) && !args->common.quiet) say_what_came(results);
    return (int)status;
}
