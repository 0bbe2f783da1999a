/* What `penumbra bench` measured, as CSV and as Markdown: the rows of its JSON, from one list of columns. */
#include "cli/bench_table.h"

static const char *const lists[] = {"rows", "networks", "steps", "scaling"};
/* A row has those that apply to it. */
static const char *const columns[] = {
    "op",           "network",   "scaling",    "step",       "case",       "input",
    "image",        "particles", "channels",   "pass",       "kernel",     "ms.median",
    "ms.min",       "ms.q1",     "ms.q3",      "ms.max",     "repeat",     "us_per_pixel_particle",
    "gflops",       "gbps",      "peak_share", "copy_share", "dispatches", "kernel_ms",
    "planned_bytes"};
enum { LISTS = sizeof lists / sizeof *lists, COLUMNS = sizeof columns / sizeof *columns };

/* Every column of all lists, so that tables of several runs can be joined. */
static void put_csv(FILE *f, const cJSON *bench) {
    cli_csv_titles(f, columns, COLUMNS);
    for (size_t i = 0; i < LISTS; i++)
        cli_csv_rows(f, cJSON_GetObjectItemCaseSensitive(bench, lists[i]), columns, COLUMNS);
}

/* A table for each list. */
static void put_markdown(FILE *f, const cJSON *bench) {
    const cJSON *device = cJSON_GetObjectItemCaseSensitive(bench, "device"), *note;
    const cJSON *peak = cJSON_GetObjectItemCaseSensitive(bench, "peak");
    cli_markdown_text(f, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(device, "name")));
    fprintf(f, ", penumbra %s", cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(bench, "version")));
    fprintf(f, "; its peak: %.4g GFLOP/s, %.4g GB/s copied\n",
            cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(peak, "gflops")),
            cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(peak, "gbps")));
    for (size_t i = 0; i < LISTS; i++) {
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(bench, lists[i]);
        if (cJSON_GetArraySize(list)) cli_markdown_table(f, list, columns, COLUMNS);
    }
    cJSON_ArrayForEach(note, cJSON_GetObjectItemCaseSensitive(bench, "notes")) {
        fprintf(f, "\n");
        cli_markdown_text(f, note->valuestring);
        fprintf(f, "\n");
    }
}

bool cli_bench_table(const char *path, const char *json, cli_table_form form) {
    cJSON *bench = cJSON_Parse(json);
    bool ok = cli_table_write(path, form == CLI_TABLE_CSV ? put_csv : put_markdown, bench);
    cJSON_Delete(bench);
    return ok;
}
