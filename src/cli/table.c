/* Cells, rows and whole tables from JSON. */
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

enum { KEY_ROOM = 32, MOST_COLUMNS = 64 };

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

void cli_csv_titles(FILE *f, const char *const *columns, size_t n) {
    char title[KEY_ROOM];
    for (size_t i = 0; i < n; i++) fprintf(f, "%s%s", i ? "," : "", title_of(columns[i], title));
    fputc('\n', f);
}

static void csv_row(FILE *f, const cJSON *row, const char *const *columns, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const cJSON *v = value_of(row, columns[i]);
        if (i) fputc(',', f);
        if (cJSON_IsString(v)) csv_text(f, v->valuestring);
        if (cJSON_IsNumber(v)) fprintf(f, "%.10g", v->valuedouble);
    }
    fputc('\n', f);
}

void cli_csv_rows(FILE *f, const cJSON *list, const char *const *columns, size_t n) {
    const cJSON *row;
    cJSON_ArrayForEach(row, list) {
        csv_row(f, row, columns, n);
    }
}

/* ---- Markdown ---------------------------------------------------------------------------------------------------- */

/* The first value in a column; NULL: it is empty. */
static const cJSON *first_in(const cJSON *list, const char *path) {
    const cJSON *row, *v = NULL;
    cJSON_ArrayForEach(row, list) {
        if (!v) v = value_of(row, path);
    }
    return v;
}

void cli_markdown_text(FILE *f, const char *text) {
    for (; *text; text++) {
        if (*text == '|') fputc('\\', f);
        fputc(*text, f);
    }
}

static void markdown_value(FILE *f, const cJSON *v) {
    if (cJSON_IsString(v)) cli_markdown_text(f, v->valuestring);
    if (cJSON_IsNumber(v)) fprintf(f, v->valuedouble < 1000 ? "%.4g" : "%.0f", v->valuedouble);
    if (!v) fputc('-', f);
}

void cli_markdown_table(FILE *f, const cJSON *list, const char *const *columns, size_t n) {
    const char *used[MOST_COLUMNS];
    char title[KEY_ROOM];
    size_t count = 0;
    const cJSON *row;
    for (size_t i = 0; i < n && count < MOST_COLUMNS; i++) {
        if (first_in(list, columns[i])) used[count++] = columns[i];
    }
    fprintf(f, "\n|");
    for (size_t i = 0; i < count; i++) fprintf(f, " %s |", title_of(used[i], title));
    fprintf(f, "\n|");
    for (size_t i = 0; i < count; i++) fprintf(f, cJSON_IsString(first_in(list, used[i])) ? " --- |" : " ---: |");
    cJSON_ArrayForEach(row, list) {
        fprintf(f, "\n|");
        for (size_t i = 0; i < count; i++) {
            fputc(' ', f);
            markdown_value(f, value_of(row, used[i]));
            fprintf(f, " |");
        }
    }
    fputc('\n', f);
}

/* ---- either ------------------------------------------------------------------------------------------------------ */

bool cli_table_write(const char *path, void (*put)(FILE *f, const cJSON *json), const cJSON *json) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *f = json ? open_memstream(&text, &bytes) : NULL;
    if (f) put(f, json);
    bool ok = f && fclose(f) == 0 && bytes > 0;
    if (!ok) fprintf(stderr, "penumbra: no memory for the table '%s'\n", path);
    if (ok) text[bytes - 1] = 0; /* cli_write_text ends the last line itself */
    ok = ok && cli_write_text(path, text);
    free(text);
    return ok;
}
