/* What `penumbra bench` measured, as CSV and as Markdown: the rows of its JSON, from one list of columns. */
#include "cli/bench_table.h"

#include <stdlib.h>
#include <string.h>

static const char *const lists[] = {"rows", "networks", "steps", "scaling"};
/* Where the values stand in a row; a title has '_' for '.'. A row has those that apply to it. */
static const char *const columns[] = {
    "op",           "network",   "scaling",    "step",       "case",       "input",
    "image",        "particles", "channels",   "pass",       "kernel",     "ms.median",
    "ms.min",       "ms.q1",     "ms.q3",      "ms.max",     "repeat",     "us_per_pixel_particle",
    "gflops",       "gbps",      "peak_share", "copy_share", "dispatches", "kernel_ms",
    "planned_bytes"};
enum { LISTS = sizeof lists / sizeof *lists, COLUMNS = sizeof columns / sizeof *columns, KEY_ROOM = 32 };

static const cJSON *value_of(const cJSON *row, const char *path) {
    const char *dot = strchr(path, '.');
    char key[KEY_ROOM];
    if (!dot) return cJSON_GetObjectItemCaseSensitive(row, path);
    snprintf(key, sizeof key, "%.*s", (int)(dot - path), path);
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(row, key), dot + 1);
}

static const char *title_of(const char *path, char buffer[KEY_ROOM]) {
    snprintf(buffer, KEY_ROOM, "%s", path);
    for (char *p = buffer; *p; p++) {
        if (*p == '.') *p = '_';
    }
    return buffer;
}

/* ---- CSV: every column, so that tables of several runs can be joined --------------------------------------------- */

static void csv_text(FILE *f, const char *text) {
    bool quoted = strpbrk(text, ",\"\r\n") != NULL;
    if (quoted) fputc('"', f);
    for (; *text; text++) {
        if (*text == '"') fputc('"', f);
        fputc(*text, f);
    }
    if (quoted) fputc('"', f);
}

static void csv_row(FILE *f, const cJSON *row) {
    for (size_t i = 0; i < COLUMNS; i++) {
        const cJSON *v = value_of(row, columns[i]);
        if (i) fputc(',', f);
        if (cJSON_IsString(v)) csv_text(f, v->valuestring);
        if (cJSON_IsNumber(v)) fprintf(f, "%.10g", v->valuedouble);
    }
    fputc('\n', f);
}

static void write_csv(FILE *f, const cJSON *bench) {
    char title[KEY_ROOM];
    const cJSON *row;
    for (size_t i = 0; i < COLUMNS; i++) fprintf(f, "%s%s", i ? "," : "", title_of(columns[i], title));
    fputc('\n', f);
    for (size_t i = 0; i < LISTS; i++) {
        cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(bench, lists[i])) {
            csv_row(f, row);
        }
    }
}

/* ---- Markdown: a table for each list, without the columns that nothing stands in --------------------------------- */

/* The first value in a column; NULL: it is empty. */
static const cJSON *first_in(const cJSON *list, const char *path) {
    const cJSON *row, *v = NULL;
    cJSON_ArrayForEach(row, list) {
        if (!v) v = value_of(row, path);
    }
    return v;
}

static void markdown_text(FILE *f, const char *text) {
    for (; *text; text++) {
        if (*text == '|') fputc('\\', f);
        fputc(*text, f);
    }
}

static void markdown_value(FILE *f, const cJSON *v) {
    if (cJSON_IsString(v)) markdown_text(f, v->valuestring);
    if (cJSON_IsNumber(v)) fprintf(f, v->valuedouble < 1000 ? "%.4g" : "%.0f", v->valuedouble);
}

static void markdown_list(FILE *f, const cJSON *list) {
    const char *used[COLUMNS];
    char title[KEY_ROOM];
    size_t n = 0;
    const cJSON *row;
    for (size_t i = 0; i < COLUMNS; i++) {
        if (first_in(list, columns[i])) used[n++] = columns[i];
    }
    fprintf(f, "\n|");
    for (size_t i = 0; i < n; i++) fprintf(f, " %s |", title_of(used[i], title));
    fprintf(f, "\n|");
    for (size_t i = 0; i < n; i++) fprintf(f, cJSON_IsString(first_in(list, used[i])) ? " --- |" : " ---: |");
    cJSON_ArrayForEach(row, list) {
        fprintf(f, "\n|");
        for (size_t i = 0; i < n; i++) {
            fputc(' ', f);
            markdown_value(f, value_of(row, used[i]));
            fprintf(f, " |");
        }
    }
    fputc('\n', f);
}

static void write_markdown(FILE *f, const cJSON *bench) {
    const cJSON *device = cJSON_GetObjectItemCaseSensitive(bench, "device"), *note;
    markdown_text(f, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(device, "name")));
    fprintf(f, ", penumbra %s", cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(bench, "version")));
    fprintf(f, "; its peak: %.4g GFLOP/s, %.4g GB/s copied\n", cJSON_GetNumberValue(value_of(bench, "peak.gflops")),
            cJSON_GetNumberValue(value_of(bench, "peak.gbps")));
    for (size_t i = 0; i < LISTS; i++) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(bench, lists[i]);
        if (cJSON_GetArraySize(list)) markdown_list(f, list);
    }
    cJSON_ArrayForEach(note, cJSON_GetObjectItemCaseSensitive(bench, "notes")) {
        fprintf(f, "\n");
        markdown_text(f, note->valuestring);
        fprintf(f, "\n");
    }
}

/* ---- either ------------------------------------------------------------------------------------------------------ */

bool cli_bench_table(const char *path, const char *json, cli_table_form form) {
    char *text = NULL;
    size_t bytes;
    cJSON *bench = cJSON_Parse(json);
    FILE *f = bench ? open_memstream(&text, &bytes) : NULL;
    if (f) (form == CLI_TABLE_CSV ? write_csv : write_markdown)(f, bench);
    cJSON_Delete(bench);
    bool ok = f && fclose(f) == 0;
    if (!ok) fprintf(stderr, "penumbra bench: no memory for a table\n");
    if (ok) text[bytes - 1] = 0; /* cli_write_text ends the last line itself */
    ok = ok && cli_write_text(path, text);
    free(text);
    return ok;
}
