/* penumbra doctor: what stands between this machine and a run, one line a finding, each with what to do about it. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *json;
} values;
static const cli_option options[] = {
    {"json", 0, CLI_TEXT, offsetof(values, json), "FILE", "write the findings as JSON too; - for stdout instead"},
};
const cli_command cli_doctor = {
    "doctor",
    "look for what keeps this machine from running, or makes it slow",
    "[--json FILE]",
    "Looks at the environment, the Vulkan devices and the cache folder, opens the device and checks a few ops on it\n"
    "(penumbra selftest: all). Exit code 5 without a usable device, 7 where an op gives wrong numbers.\n",
    options,
    sizeof options / sizeof *options,
    0,
    0,
    run};

typedef enum verdict { FINE, NOTE, FAULT } verdict;

typedef struct doctor {
    bool show;
    cJSON *findings;
} doctor;

#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
static void
find(doctor *d, verdict v, const char *what, const char *format, ...) {
    static const char *const words[] = {"ok", "note", "fault"};
    char sentence[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (d->show) printf("%-6s %-12s %s\n", words[v], what, sentence);
    fflush(stdout);
    cJSON *f = cJSON_CreateObject();
    cJSON_AddStringToObject(f, "verdict", words[v]);
    cJSON_AddStringToObject(f, "what", what);
    cJSON_AddStringToObject(f, "sentence", sentence);
    cJSON_AddItemToArray(d->findings, f);
}

/* ---- without a device ---------------------------------------------------------------------------------------------
 */

static void look_at_environment(doctor *d) {
    static const struct {
        const char *name, *means;
    } variables[] = {{"VK_ICD_FILENAMES", "only these Vulkan drivers are seen"},
                     {"VK_DRIVER_FILES", "only these Vulkan drivers are seen"},
                     {"PENUMBRA_DEVICE", "this device is taken where --device is not given"},
                     {"MESA_SHADER_CACHE_DISABLE", "Mesa compiles every kernel anew at each start"},
                     {"LP_NUM_THREADS", "so many threads compute on the software device"}};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i].name);
        if (value) find(d, NOTE, "environment", "%s is '%s': %s", variables[i].name, value, variables[i].means);
    }
}

/* The deepest folder of path that there is. */
static void existing_part(char *path) {
    char *slash;
    while (!cli_exists(path) && (slash = strrchr(path, '/')) != NULL && slash != path) *slash = 0;
}

static void look_at_cache(doctor *d) {
    char folder[1024], there[1024];
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool own = xdg && xdg[0] == '/';
    if (!own && !(home && home[0] == '/')) {
        find(d, NOTE, "cache",
             "neither XDG_CACHE_HOME nor HOME names a folder: kernels are compiled anew at each start");
        return;
    }
    snprintf(folder, sizeof folder, "%s%s/penumbra", own ? xdg : home, own ? "" : "/.cache");
    snprintf(there, sizeof there, "%s", folder);
    existing_part(there);
    if (access(there, W_OK | X_OK) == 0) {
        find(d, FINE, "cache", "compiled kernels and tuning are kept in '%s'", folder);
        return;
    }
    find(d, NOTE, "cache",
         "'%s' cannot be written: kernels are compiled anew at each start; set XDG_CACHE_HOME to a folder of yours",
         there);
}

static pnb_status look_at_devices(doctor *d, pnb_context *ctx) {
    size_t count;
    pnb_status status = pnb_device_count(ctx, &count);
    for (size_t i = 0; i < count && status == PNB_OK; i++) {
        pnb_device_info info = PNB_DEVICE_INFO_INIT;
        status = pnb_device_get(ctx, i, &info);
        if (status != PNB_OK) break;
        if (info.usable) find(d, FINE, "device", "%zu: %s (%s), %s%s", i, info.name, info.type, info.driver,
                              info.cooperative_matrix ? ", cooperative matrices" : "");
        if (!info.usable) find(d, NOTE, "device", "%zu: %s cannot be used: %s", i, info.name, info.why_not);
    }
    if (status != PNB_OK) find(d, FAULT, "device", "%s", pnb_last_error(ctx));
    return status;
}

/* ---- with it ------------------------------------------------------------------------------------------------------
 */

static pnb_status open_device(doctor *d, pnb_context *ctx) {
    pnb_device_info info = PNB_DEVICE_INFO_INIT;
    pnb_status status = pnb_context_device(ctx, &info);
    if (status != PNB_OK) {
        find(d, FAULT, "choice", "%s", pnb_last_error(ctx));
        return status;
    }
    find(d, FINE, "choice", "%s", pnb_context_choice(ctx));
    if (strcmp(info.type, "cpu") == 0)
        find(d, NOTE, "choice",
             "this is a software device: all works, slowly; with a GPU in the machine, install its Vulkan driver");
    return PNB_OK;
}

static void look_for_validation(doctor *d) {
    pnb_context *ctx = NULL;
    pnb_context_params params = PNB_CONTEXT_DEFAULTS;
    params.validate = 1;
    params.cache_dir = "";
    bool there = pnb_context_create(&params, &ctx) == PNB_OK && pnb_context_device(ctx, NULL) == PNB_OK;
    if (there) find(d, FINE, "validation", "the Khronos validation layers are installed (--validate)");
    if (!there) find(d, NOTE, "validation", "not to be had: %s", pnb_last_error(ctx));
    pnb_context_destroy(&ctx);
}

static int on_check(void *user, const pnb_check *c) {
    if (!c->passed) find(user, FAULT, "numbers", "%s %s: %s", c->op, c->name, c->why);
    return cli_stopped();
}

static pnb_status check_numbers(doctor *d, pnb_context *ctx) {
    static const char ops[] = "^(axpby|linear|softmax|pool|noise)$";
    size_t failed = 0;
    pnb_status status = pnb_selftest(ctx, ops, on_check, d, &failed);
    if (status != PNB_OK) {
        find(d, FAULT, "numbers", "%s", pnb_last_error(ctx));
        return status;
    }
    if (failed) return PNB_ERROR_NUMERIC;
    find(d, FINE, "numbers", "a few ops agree with their references; penumbra selftest checks all");
    return PNB_OK;
}

/* ---- the command --------------------------------------------------------------------------------------------------
 */

static pnb_status examine(doctor *d, pnb_context *ctx) {
    find(d, FINE, "version", "penumbra %s", pnb_version());
    look_at_environment(d);
    look_at_cache(d);
    pnb_status status = look_at_devices(d, ctx);
    if (status == PNB_OK) status = open_device(d, ctx);
    if (status != PNB_OK) return status;
    look_for_validation(d);
    return check_numbers(d, ctx);
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    pnb_context *ctx = NULL;
    int code = cli_parse(&cli_doctor, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = cli_open(&args, &ctx);
    if (code != CLI_GO_ON) return code;
    cJSON *all = cJSON_CreateObject();
    doctor d = {.show = !cli_is_stdout(v.json), .findings = cJSON_AddArrayToObject(all, "findings")};
    cli_catch_signals();
    code = (int)examine(&d, ctx);
    char *text = v.json ? cJSON_Print(all) : NULL;
    if (v.json && (!text || !cli_write_text(v.json, text)) && code == PNB_OK) code = PNB_ERROR_INPUT;
    cJSON_free(text);
    cJSON_Delete(all);
    return cli_close(&args, &ctx, code);
}
