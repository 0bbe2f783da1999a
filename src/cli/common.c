/* Contexts, failures, small files and shapes for the subcommands. */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool parse_memory(const char *text, uint64_t *bytes) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    const char *units = "kKmMgGtT";
    if (end == text || errno || !(value > 0)) return false;
    if (*end) {
        const char *unit = strchr(units, *end);
        if (!unit) return false;
        for (long i = (unit - units) / 2; i >= 0; i--) value *= 1024;
        end++;
        if (*end == 'i') end++;
        if (*end == 'B' || *end == 'b') end++;
    }
    if (*end || value >= 1e18) return false;
    *bytes = (uint64_t)value;
    return true;
}

static void on_log(void *user, int level, const char *line) {
    const cli_args *args = user;
    if (level <= 1 || (args->common.validate && level <= 1)) fprintf(stderr, "penumbra: %s\n", line);
}

int cli_open(const cli_args *args, pnb_context **context) {
    pnb_context_params params = PNB_CONTEXT_DEFAULTS;
    params.device = args->common.device;
    params.validate = args->common.validate;
    params.no_tuning = args->common.no_tune;
    params.log = args->common.quiet ? NULL : on_log;
    params.log_user = (void *)args;
    if (args->common.memory && !parse_memory(args->common.memory, &params.memory_limit)) {
        return cli_usage(args->command, "--memory: expected a size such as 2G or 512M, found '%s'",
                         args->common.memory);
    }
    pnb_status status = pnb_context_create(&params, context);
    return status ? cli_fail(args, NULL, status) : CLI_GO_ON;
}

int cli_fail(const cli_args *args, const pnb_context *context, pnb_status status) {
    const char *name = args->command->name, *sentence = pnb_last_error(context);
    size_t n = strlen(name);
    if (strncmp(sentence, name, n) == 0 && strncmp(sentence + n, ": ", 2) == 0) sentence += n + 2; /* said once */
    fprintf(stderr, "penumbra %s: %s\n", name, sentence);
    return (int)status;
}

pnb_status cli_say_device(const cli_args *args, pnb_context *context) {
    pnb_status status = pnb_context_device(context, NULL);
    if (status == PNB_OK && !args->common.quiet) fprintf(stderr, "%s\n", pnb_context_choice(context));
    return status;
}

int cli_print_types(const cli_args *args, pnb_context *context, pnb_status (*list)(pnb_context *, char **)) {
    char *text = NULL;
    pnb_status status = list(context, &text);
    if (status == PNB_OK) cli_write_text("-", text);
    pnb_free(text);
    return status ? cli_fail(args, context, status) : PNB_OK;
}

int cli_close(const cli_args *args, pnb_context **context, int code) {
    uint64_t messages = pnb_context_validation_messages(*context);
    if (args->common.validate && messages && code == 0) {
        fprintf(stderr, "penumbra %s: the validation layers had %llu messages, the first: %s\n", args->command->name,
                (unsigned long long)messages, pnb_context_validation_text(*context));
        code = PNB_ERROR_INTERNAL;
    }
    pnb_context_destroy(context);
    return code;
}

/* ---- files
 * --------------------------------------------------------------------------------------------------------------- */

bool cli_is_stdout(const char *path) {
    return path && strcmp(path, "-") == 0;
}

bool cli_write_text(const char *path, const char *text) {
    if (cli_is_stdout(path)) {
        printf("%s%s", text, text[0] && text[strlen(text) - 1] == '\n' ? "" : "\n");
        return true;
    }
    struct stat info;
    bool direct = stat(path, &info) == 0 && !S_ISREG(info.st_mode); /* a terminal or a pipe: not replaced */
    size_t bytes = strlen(path) + 5;
    char *temporary = malloc(bytes);
    if (!temporary) return false;
    snprintf(temporary, bytes, "%s%s", path, direct ? "" : ".tmp");
    FILE *file = fopen(temporary, "wb");
    bool ok = file != NULL;
    if (ok) ok = fprintf(file, "%s\n", text) >= 0;
    if (file) ok = fclose(file) == 0 && ok;
    if (!direct) ok = ok && rename(temporary, path) == 0;
    if (!ok) {
        fprintf(stderr, "penumbra: '%s': cannot be written: %s\n", path, strerror(errno));
        if (file && !direct) (void)unlink(temporary);
    }
    free(temporary);
    return ok;
}

char *cli_read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    size_t used = 0, room = 1 << 16;
    char *text = malloc(room);
    while (text) {
        used += fread(text + used, 1, room - used - 1, file);
        if (used + 1 < room) break;
        char *larger = room > (size_t)1 << 28 ? NULL : realloc(text, 2 * room);
        if (!larger) free(text);
        text = larger;
        room *= 2;
    }
    fclose(file);
    if (text) text[used] = 0;
    return text;
}

bool cli_exists(const char *path) {
    return access(path, F_OK) == 0;
}

bool cli_make_folder(const char *path) {
    if (mkdir(path, 0777) == 0) return true;
    struct stat info;
    if (errno == EEXIST && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return true;
    fprintf(stderr, "penumbra: '%s': the folder cannot be made: %s\n", path, strerror(errno));
    return false;
}

/* ---- shapes
 * --------------------------------------------------------------------------------------------------------------- */

static bool tail_equal(const pnb_extent *x, uint32_t skip_x, const pnb_extent *e, uint32_t skip_e) {
    if (x->rank - skip_x != e->rank - skip_e) return false;
    for (uint32_t i = 0; i + skip_x < x->rank; i++) {
        if (x->size[skip_x + i] != e->size[skip_e + i]) return false;
    }
    return true;
}

bool cli_split_batch(const pnb_extent *x, const pnb_extent *element, uint32_t *n, bool *batched) {
    *n = 1;
    *batched = false;
    if (x->rank == element->rank && tail_equal(x, 0, element, 0)) return true;
    if (element->rank == 3 && element->size[0] == 1 && x->rank == 2) return tail_equal(x, 0, element, 1);
    if (x->rank != element->rank + 1 || !tail_equal(x, 1, element, 0)) return false;
    *n = x->size[0];
    *batched = true;
    return true;
}

pnb_extent cli_join_batch(const pnb_extent *element, uint32_t n, bool batched, bool flat) {
    pnb_extent out = {0, {0}};
    if (batched) out.size[out.rank++] = n;
    for (uint32_t i = 0; i < element->rank; i++) {
        if (flat && i == 0 && element->rank == 3 && element->size[0] == 1) continue;
        out.size[out.rank++] = element->size[i];
    }
    return out;
}

const char *cli_extent_text(const pnb_extent *e, char *buffer, size_t bytes) {
    size_t used = 0;
    buffer[0] = 0;
    for (uint32_t i = 0; i < e->rank && used < bytes; i++) {
        used += (size_t)snprintf(buffer + used, bytes - used, "%s%u", i ? "," : "[", e->size[i]);
    }
    if (used + 1 < bytes) snprintf(buffer + used, bytes - used, "]");
    return buffer;
}

uint32_t cli_channels(const pnb_extent *element) {
    return element->rank == 3 && (element->size[0] == 1 || element->size[0] == 3) ? element->size[0] : 0;
}

bool cli_read_size(const char *text, uint32_t *height, uint32_t *width) {
    char rest;
    if (strspn(text, "0123456789x") != strlen(text) || strlen(text) > 11) return false;
    if (sscanf(text, "%" SCNu32 "x%" SCNu32 "%c", height, width, &rest) != 2) return false;
    return *height >= 1 && *height <= 32768 && *width >= 1 && *width <= 32768;
}

pnb_status cli_load_prior(pnb_context *context, const char *path, bool fp16, pnb_model **own, pnb_problem **problem,
                          pnb_model **model) {
    size_t n = strlen(path);
    bool json = n > 5 && strcmp(path + n - 5, ".json") == 0;
    pnb_status status = json ? pnb_problem_load(context, path, problem) : pnb_model_load(context, path, own);
    *model = json ? pnb_problem_model(*problem) : *own;
    return status == PNB_OK && fp16 ? pnb_model_set_fp16(*model, 1) : status;
}

cJSON *cli_device_object(const pnb_device_info *info) {
    cJSON *d = cJSON_CreateObject();
    char api[48];
    snprintf(api, sizeof api, "%u.%u.%u", info->api_version >> 22, info->api_version >> 12 & 0x3ff,
             info->api_version & 0xfff);
    cJSON_AddStringToObject(d, "name", info->name);
    cJSON_AddNumberToObject(d, "vendor_id", info->vendor_id);
    cJSON_AddNumberToObject(d, "device_id", info->device_id);
    cJSON_AddStringToObject(d, "driver", info->driver);
    cJSON_AddStringToObject(d, "api", api);
    cJSON_AddStringToObject(d, "type", info->type);
    cJSON_AddNumberToObject(d, "memory_bytes", (double)info->memory_bytes);
    cJSON_AddNumberToObject(d, "subgroup_size", info->subgroup_size);
    cJSON_AddBoolToObject(d, "fp16_storage", info->fp16_storage);
    cJSON_AddBoolToObject(d, "cooperative_matrix", info->cooperative_matrix);
    cJSON_AddBoolToObject(d, "usable", info->usable);
    if (!info->usable) cJSON_AddStringToObject(d, "why_not", info->why_not);
    return d;
}
