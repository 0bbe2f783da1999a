/* penumbra eval: scores of an output folder against a truth. */
#include "cli/cli.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *truth, *json;
} values;
static const cli_option options[] = {
    {"truth", 0, CLI_TEXT, offsetof(values, truth), "FILE", "the true image or vector"},
    {"json", 0, CLI_TEXT, offsetof(values, json), "FILE", "write the scores as JSON too; - for stdout instead"},
};
const cli_command cli_eval = {"eval",
                              "score the samples of an output folder against the truth",
                              "DIR --truth FILE [--json FILE]",
                              NULL,
                              options,
                              sizeof options / sizeof *options,
                              1,
                              1,
                              run};

/* Shares in %: flat when calibrated, high at both ends when too narrow, in the middle when too wide. */
static void show_ranks(const cJSON *ranks) {
    double sum = 0;
    for (const cJSON *r = ranks->child; r; r = r->next) sum += r->valuedouble;
    printf("%-24s", ranks->string);
    for (const cJSON *r = ranks->child; r && sum > 0; r = r->next) printf(" %.1f", 100 * r->valuedouble / sum);
    printf(" %%\n");
}

static void show(const char *json) {
    cJSON *scores = cJSON_Parse(json);
    for (const cJSON *v = scores ? scores->child : NULL; v; v = v->next) {
        if (cJSON_IsNumber(v)) printf("%-24s %.6g\n", v->string, v->valuedouble);
        if (!cJSON_IsArray(v)) continue;
        if (strcmp(v->string, "rank_histogram") == 0) {
            show_ranks(v);
            continue;
        }
        double sum = 0;
        int count = 0;
        for (const cJSON *e = v->child; e; e = e->next, count++) sum += e->valuedouble;
        if (count) printf("%-24s %.6g (mean of %d)\n", v->string, sum / count, count);
    }
    cJSON_Delete(scores);
}

static int score(const cli_args *args, const values *v, pnb_context *ctx) {
    if (!v->truth) return cli_usage(&cli_eval, "--truth FILE is missing");
    char *json = NULL;
    pnb_status status = pnb_evaluate_folder(ctx, args->positional[0], v->truth, &json);
    if (status) return cli_fail(args, ctx, status);
    bool to_stdout = v->json && v->json[0] == '-' && !v->json[1];
    if (!to_stdout) show(json);
    int code = v->json && !cli_write_text(v->json, json) ? PNB_ERROR_INPUT : PNB_OK;
    pnb_free(json);
    return code;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_eval, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) code = score(&args, &v, ctx);
    return cli_close(&args, &ctx, code);
}
