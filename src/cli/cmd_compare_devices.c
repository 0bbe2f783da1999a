/* penumbra compare-devices: the benchmarks of several devices, drivers or versions, row beside row. Needs no device. */
#include "cli/cli.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *json, *markdown;
} values;
static const cli_option options[] = {
    {"json", 0, CLI_TEXT, offsetof(values, json), "FILE", "write the comparison as JSON too; - for stdout instead"},
    {"markdown", 0, CLI_TEXT, offsetof(values, markdown), "FILE", "the same as Markdown; - for stdout instead"},
};
const cli_command cli_compare_devices = {
    "compare-devices",
    "set the benchmarks of several devices side by side",
    "A.json B.json ... [--json|--markdown FILE]",
    "The files are those of penumbra bench --json. Times are medians in ms; a ratio is the first file's time over\n"
    "another's, so above 1 the other is faster. At the end: the geometric mean of the ratios of a file.\n",
    options,
    sizeof options / sizeof *options,
    2,
    CLI_MOST_POSITIONALS,
    run};

enum { MOST_FILES = CLI_MOST_POSITIONALS, LABEL_ROOM = 160 };

/* One thing that was timed, and its median in each file; NAN: not there. */
typedef struct timed {
    char label[LABEL_ROOM];
    double ms[MOST_FILES];
} timed;

typedef struct comparison {
    cJSON *files[MOST_FILES];
    int n;
    timed *rows;
    size_t count;
} comparison;

static const char *text_at(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

static double number_at(const cJSON *object, const char *key) {
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static double median_of(const cJSON *row) {
    return number_at(cJSON_GetObjectItemCaseSensitive(row, "ms"), "median");
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* What a row timed: all that tells it from others, without what was measured or chosen on the device. */
static void label_of(const cJSON *row, char label[LABEL_ROOM]) {
    static const char *const keys[] = {"op",    "network", "scaling",   "step",     "case",
                                       "input", "image",   "particles", "channels", "pass"};
    size_t used = 0;
    label[0] = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && used < LABEL_ROOM; i++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(row, keys[i]);
        const char *space = used ? " " : "";
        if (cJSON_IsString(v)) used += (size_t)snprintf(label + used, LABEL_ROOM - used, "%s%s", space, v->valuestring);
        if (cJSON_IsNumber(v))
            used += (size_t)snprintf(label + used, LABEL_ROOM - used, "%s%s %.10g", space, keys[i], v->valuedouble);
    }
}

/* The row of that label, made where it is new; NULL without memory. */
static timed *row_of(comparison *c, const char *label) {
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->rows[i].label, label) == 0) return &c->rows[i];
    }
    timed *rows = realloc(c->rows, (c->count + 1) * sizeof *rows);
    if (!rows) return NULL;
    c->rows = rows;
    timed *row = &rows[c->count++];
    snprintf(row->label, sizeof row->label, "%s", label);
    for (int i = 0; i < MOST_FILES; i++) row->ms[i] = NAN;
    return row;
}

static int no_memory(void) {
    cli_usage(&cli_compare_devices, "the host has no memory left");
    return PNB_ERROR_OUT_OF_MEMORY;
}

static int take_rows(comparison *c, int file) {
    static const char *const lists[] = {"rows", "networks", "steps", "scaling"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const cJSON *row;
        cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(c->files[file], lists[i])) {
            char label[LABEL_ROOM];
            double ms = median_of(row);
            if (!(ms > 0)) continue;
            label_of(row, label);
            timed *t = row_of(c, label);
            if (!t) return no_memory();
            t->ms[file] = ms;
        }
    }
    return CLI_GO_ON;
}

static int fail_file(const char *path, const char *found) {
    cli_usage(&cli_compare_devices, "'%s': expected the JSON of penumbra bench --json, found %s", path, found);
    return PNB_ERROR_INPUT;
}

static int read_file(comparison *c, const char *path) {
    char *text = cli_read_text(path);
    if (!text) return fail_file(path, "no file that can be read");
    cJSON *bench = cJSON_Parse(text);
    free(text);
    if (!bench) return fail_file(path, "no JSON");
    c->files[c->n++] = bench;
    if (!*text_at(cJSON_GetObjectItemCaseSensitive(bench, "device"), "name")) return fail_file(path, "no device in it");
    int code = take_rows(c, c->n - 1);
    if (code != CLI_GO_ON) return code;
    for (size_t i = 0; i < c->count; i++) {
        if (c->rows[i].ms[c->n - 1] > 0) return CLI_GO_ON;
    }
    return fail_file(path, "no row with a time");
}

/* ---- ratios ------------------------------------------------------------------------------------------------------ */

static double ratio(const timed *t, int file) {
    return t->ms[0] / t->ms[file];
}

/* Over the rows that the first file and this one have; NAN where there is none. */
static double mean_ratio(const comparison *c, int file, int *count) {
    double sum = 0;
    *count = 0;
    for (size_t i = 0; i < c->count; i++) {
        double r = ratio(&c->rows[i], file);
        if (!isfinite(r)) continue;
        sum += log(r);
        ++*count;
    }
    return *count ? exp(sum / *count) : NAN;
}

static void device_text(const comparison *c, int file, char *text, size_t bytes) {
    const cJSON *device = cJSON_GetObjectItemCaseSensitive(c->files[file], "device");
    const cJSON *peak = cJSON_GetObjectItemCaseSensitive(c->files[file], "peak");
    int n = snprintf(text, bytes, "%s, %s, penumbra %s", text_at(device, "name"), text_at(device, "driver"),
                     text_at(c->files[file], "version"));
    if (peak && n > 0 && (size_t)n < bytes)
        snprintf(text + n, bytes - (size_t)n, "; peak %.4g GFLOP/s, %.4g GB/s", number_at(peak, "gflops"),
                 number_at(peak, "gbps"));
}

/* ---- text and Markdown: the same cells ----------------------------------------------------------------------------
 */

typedef struct style {
    const char *label, *cell, *end; /* formats of a row's label, of a cell, and what ends a row */
} style;
static const style plain = {"%-64s", " %10s", "\n"}, markdown = {"| %s |", " %s |", "\n"};

static void put_number(FILE *f, const style *s, double value) {
    char text[32];
    snprintf(text, sizeof text, value < 1000 ? "%.4g" : "%.0f", value);
    fprintf(f, s->cell, isfinite(value) ? text : "-");
}

static void put_heads(FILE *f, const style *s, const comparison *c) {
    char name[16];
    fprintf(f, s->label, "");
    for (int i = 0; i < c->n; i++) {
        snprintf(name, sizeof name, "%c, ms", 'A' + i);
        fprintf(f, s->cell, name);
        snprintf(name, sizeof name, "A/%c", 'A' + i);
        if (i) fprintf(f, s->cell, name);
    }
    fprintf(f, "%s", s->end);
    if (s != &markdown) return;
    fprintf(f, "| --- |");
    for (int i = 0; i < 2 * c->n - 1; i++) fprintf(f, " ---: |");
    fprintf(f, "%s", s->end);
}

static void put_table(FILE *f, const style *s, const comparison *c) {
    put_heads(f, s, c);
    for (size_t k = 0; k < c->count; k++) {
        fprintf(f, s->label, c->rows[k].label);
        for (int i = 0; i < c->n; i++) {
            put_number(f, s, c->rows[k].ms[i]);
            if (i) put_number(f, s, ratio(&c->rows[k], i));
        }
        fprintf(f, "%s", s->end);
    }
    fprintf(f, s->label, "geometric mean of the ratios");
    for (int i = 0; i < c->n; i++) {
        int count;
        fprintf(f, s->cell, "");
        if (i) put_number(f, s, mean_ratio(c, i, &count));
    }
    fprintf(f, "%s", s->end);
}

static void put_devices(FILE *f, const comparison *c, const cli_args *args) {
    char text[640];
    for (int i = 0; i < c->n; i++) {
        device_text(c, i, text, sizeof text);
        fprintf(f, "%s%c: %s (%s)\n", i ? "\n" : "", 'A' + i, text, args->positional[i]);
    }
    fprintf(f, "\n");
}

static bool write_markdown(const char *path, const comparison *c, const cli_args *args) {
    char *text = NULL;
    size_t bytes;
    FILE *f = open_memstream(&text, &bytes);
    if (!f) return false;
    put_devices(f, c, args);
    put_table(f, &markdown, c);
    bool ok = fclose(f) == 0 && cli_write_text(path, text);
    free(text);
    return ok;
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void add_number(cJSON *array, double value) {
    cJSON_AddItemToArray(array, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

static cJSON *to_json(const comparison *c, const cli_args *args) {
    cJSON *all = cJSON_CreateObject(), *devices = cJSON_AddArrayToObject(all, "devices"),
          *rows = cJSON_AddArrayToObject(all, "rows");
    for (int i = 0; i < c->n; i++) {
        static const char *const copied[] = {"device", "peak", "version"};
        cJSON *d = cJSON_CreateObject();
        int count;
        cJSON_AddStringToObject(d, "file", args->positional[i]);
        for (size_t k = 0; k < sizeof copied / sizeof *copied; k++) {
            const cJSON *v = cJSON_GetObjectItemCaseSensitive(c->files[i], copied[k]);
            if (v) cJSON_AddItemToObject(d, copied[k], cJSON_Duplicate(v, 1));
        }
        double mean = mean_ratio(c, i, &count);
        if (count) cJSON_AddNumberToObject(d, "geometric_mean", mean);
        cJSON_AddNumberToObject(d, "shared_rows", count);
        cJSON_AddItemToArray(devices, d);
    }
    for (size_t k = 0; k < c->count; k++) {
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "row", c->rows[k].label);
        cJSON *ms = cJSON_AddArrayToObject(row, "ms"), *ratios = cJSON_AddArrayToObject(row, "ratio");
        for (int i = 0; i < c->n; i++) {
            add_number(ms, c->rows[k].ms[i]);
            add_number(ratios, ratio(&c->rows[k], i));
        }
        cJSON_AddItemToArray(rows, row);
    }
    return all;
}

static bool write_json(const char *path, const comparison *c, const cli_args *args) {
    cJSON *all = to_json(c, args);
    char *text = cJSON_Print(all);
    bool ok = text && cli_write_text(path, text);
    cJSON_free(text);
    cJSON_Delete(all);
    return ok;
}

/* ---- the command --------------------------------------------------------------------------------------------------
 */

static int compare(comparison *c, const cli_args *args, const values *v) {
    if (cli_is_stdout(v->json) && cli_is_stdout(v->markdown))
        return cli_usage(&cli_compare_devices, "only one of --json and --markdown can be -");
    for (int i = 0; i < args->positional_count; i++) {
        int code = read_file(c, args->positional[i]);
        if (code != CLI_GO_ON) return code;
    }
    if (!cli_is_stdout(v->json) && !cli_is_stdout(v->markdown)) {
        put_devices(stdout, c, args);
        put_table(stdout, &plain, c);
    }
    if (v->json && !write_json(v->json, c, args)) return PNB_ERROR_INPUT;
    return v->markdown && !write_markdown(v->markdown, c, args) ? PNB_ERROR_INPUT : PNB_OK;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    comparison c = {0};
    int code = cli_parse(&cli_compare_devices, argc, argv, &args, &v);
    if (code == CLI_GO_ON) code = compare(&c, &args, &v);
    for (int i = 0; i < c.n; i++) cJSON_Delete(c.files[i]);
    free(c.rows);
    return code;
}
