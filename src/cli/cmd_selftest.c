/* penumbra selftest: every op on this device against its fp64 reference. */
#include "cli/cli.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *ops, *json;
} values;
static const cli_option options[] = {
    {"ops", 0, CLI_TEXT, offsetof(values, ops), "REGEX", "only the ops whose names match"},
    {"json", 0, CLI_TEXT, offsetof(values, json), "FILE", "write every case as JSON too; - for stdout instead"},
};
const cli_command cli_selftest = {
    "selftest",
    "check every op on this device, forward and backward",
    "[--ops REGEX] [--json FILE]",
    "Errors are relative to the largest value of the reference. Exit code 7 where a case fails.\n",
    options,
    sizeof options / sizeof *options,
    0,
    0,
    run};

/* One op while its cases come in, and the JSON of all cases. */
typedef struct report {
    char op[64];
    size_t cases, failed, all;
    double forward, gradient;
    bool show;
    cJSON *rows;
} report;

static void end_op(report *r) {
    if (!r->op[0]) return;
    if (r->show) {
        char gradient[32] = "-";
        if (r->gradient >= 0) snprintf(gradient, sizeof gradient, "%.1e", r->gradient);
        printf("%-20s %3zu cases   forward %.1e   gradient %-8s %s\n", r->op, r->cases, r->forward, gradient,
               r->failed ? "FAILED" : "ok");
        fflush(stdout);
    }
    r->op[0] = 0;
}

static int on_check(void *user, const pnb_check *c) {
    report *r = user;
    if (strcmp(r->op, c->op) != 0) {
        end_op(r);
        snprintf(r->op, sizeof r->op, "%s", c->op);
        r->cases = r->failed = 0;
        r->forward = 0;
        r->gradient = -1;
    }
    r->cases++;
    r->all++;
    r->failed += !c->passed;
    if (c->forward_error > r->forward) r->forward = c->forward_error;
    if (c->gradient_error > r->gradient) r->gradient = c->gradient_error;
    if (!c->passed && r->show) printf("  %s %s: %s\n", c->op, c->name, c->why);
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "op", c->op);
    cJSON_AddStringToObject(row, "case", c->name);
    cJSON_AddNumberToObject(row, "forward_error", c->forward_error);
    if (c->gradient_error >= 0) cJSON_AddNumberToObject(row, "gradient_error", c->gradient_error);
    cJSON_AddBoolToObject(row, "passed", c->passed);
    if (!c->passed) cJSON_AddStringToObject(row, "why", c->why);
    cJSON_AddItemToArray(r->rows, row);
    return cli_stopped();
}

static int check(const cli_args *args, const values *v, pnb_context *ctx) {
    bool to_stdout = v->json && strcmp(v->json, "-") == 0;
    pnb_status status = cli_say_device(args, ctx);
    if (status) return cli_fail(args, ctx, status);
    pnb_device_info info = PNB_DEVICE_INFO_INIT;
    cJSON *json = cJSON_CreateObject();
    report r = {.show = !to_stdout};
    size_t failed = 0;
    status = pnb_context_device(ctx, &info);
    cJSON_AddItemToObject(json, "device", cli_device_object(&info));
    cJSON_AddStringToObject(json, "version", pnb_version());
    r.rows = cJSON_AddArrayToObject(json, "cases");
    if (status == PNB_OK) status = pnb_selftest(ctx, v->ops, on_check, &r, &failed);
    end_op(&r);
    int code = status ? cli_fail(args, ctx, status) : failed ? PNB_ERROR_NUMERIC : PNB_OK;
    if (r.show && r.all) printf("%zu cases, %zu failed on %s\n", r.all, failed, info.name);
    char *text = v->json ? cJSON_Print(json) : NULL;
    if (text && !cli_write_text(v->json, text)) code = PNB_ERROR_INPUT;
    free(text);
    cJSON_Delete(json);
    return code;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_selftest, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code == CLI_GO_ON) {
        cli_catch_signals();
        code = check(&args, &v, ctx);
    }
    return cli_close(&args, &ctx, code);
}
