/* Rows from run.json files, and the rows as JSON, CSV and Markdown. */
#include "cli/compare_table.h"

#include "cli/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is averaged, and where it stands in run.json. */
static const char *const means[] = {"scores.psnr_samples",
                                    "scores.psnr_mean",
                                    "scores.ssim_samples",
                                    "scores.ssim_mean",
                                    "scores.diversity",
                                    "scores.crps",
                                    "scores.coverage_1sigma_fair",
                                    "scores.coverage_2sigma_fair",
                                    "scores.coverage_3sigma_fair",
                                    "scores.coverage_1sigma_grey",
                                    "scores.spread_skill",
                                    "scores.error_correlation",
                                    "scores.residual_before_finish",
                                    "scores.residual",
                                    "chi2",
                                    "scores.posterior.sliced_w2",
                                    "scores.posterior.sliced_w2_floor",
                                    "scores.posterior.total_variation",
                                    "network_evaluations",
                                    "seconds.total"};
enum { MEANS = sizeof means / sizeof *means, MOST_BINS = 64, NAME_ROOM = 48 };

static const cJSON *get(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static double mean_of(const cJSON *list) {
    double sum = 0, n = cJSON_GetArraySize(list);
    const cJSON *v;
    cJSON_ArrayForEach(v, list) sum += v->valuedouble;
    return sum / n;
}

/* The number at a path of keys, the mean of a list of numbers; NAN where there is none. */
static double number_at(const cJSON *object, const char *path) {
    char key[NAME_ROOM];
    for (const char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        snprintf(key, sizeof key, "%.*s", (int)(dot - path), path);
        object = get(object, key);
    }
    const cJSON *v = get(object, path);
    return cJSON_IsNumber(v) ? v->valuedouble : cJSON_IsArray(v) ? mean_of(v) : NAN;
}

/* A mean's name in the tables: the last key; the evaluations are those of one sample. */
static const char *name_of(size_t mean) {
    const char *dot = strrchr(means[mean], '.');
    if (strcmp(means[mean], "seconds.total") == 0) return "seconds";
    if (strcmp(means[mean], "network_evaluations") == 0) return "evaluations_a_sample";
    return dot ? dot + 1 : means[mean];
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

typedef struct sums {
    double sum[MEANS], square[MEANS], ranks[MOST_BINS];
    size_t count[MEANS], bins, done;
} sums;

static void add_run(sums *s, const cJSON *run) {
    double particles = number_at(run, "particles");
    s->done++;
    for (size_t c = 0; c < MEANS; c++) {
        double v = number_at(run, means[c]);
        if (strcmp(means[c], "network_evaluations") == 0) v /= particles;
        if (!isfinite(v)) continue;
        s->sum[c] += v;
        s->square[c] += v * v;
        s->count[c]++;
    }
    const cJSON *ranks = get(get(run, "scores"), "rank_histogram");
    size_t bins = (size_t)cJSON_GetArraySize(ranks);
    if (!bins || bins > MOST_BINS || (s->bins && s->bins != bins)) return;
    s->bins = bins;
    size_t b = 0;
    for (const cJSON *r = ranks->child; r; r = r->next) s->ranks[b++] += r->valuedouble;
}

static void add_file(sums *s, const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/run.json", folder);
    char *text = cli_exists(path) ? cli_read_text(path) : NULL;
    cJSON *run = text ? cJSON_Parse(text) : NULL;
    if (run && number_at(run, "steps_done") == number_at(run, "steps")) add_run(s, run); /* a stopped run has no samples yet */
    cJSON_Delete(run);
    free(text);
}

/* The ranks of all observations together: how far their shares are from even (half the sum of |share - 1/bins|), and what
 * that is on average for exact draws, whose counts are binomial (their mean absolute deviation, as of a normal law). */
static void add_ranks(cJSON *row, const sums *s) {
    const double pi = 3.14159265358979323846;
    double all = 0, off = 0, p = 1.0 / (double)(s->bins ? s->bins : 1);
    for (size_t b = 0; b < s->bins; b++) all += s->ranks[b];
    if (all == 0) return;
    cJSON *list = cJSON_AddArrayToObject(row, "rank_histogram");
    for (size_t b = 0; b < s->bins; b++) {
        off += 0.5 * fabs(s->ranks[b] / all - p);
        cJSON_AddItemToArray(list, cJSON_CreateNumber(s->ranks[b]));
    }
    cJSON_AddNumberToObject(row, "rank_deviation", off);
    cJSON_AddNumberToObject(row, "rank_deviation_exact", 0.5 / p * sqrt(2 * p * (1 - p) / (pi * all)));
}

bool cli_compare_row(cJSON *rows, const char *task, const char *method, const char *refusal, const char *const *folders, size_t count) {
    sums s = {0};
    for (size_t i = 0; i < count; i++) add_file(&s, folders[i]);
    cJSON *row = cJSON_CreateObject();
    if (!row || !cJSON_AddItemToArray(rows, row)) {
        cJSON_Delete(row);
        return false;
    }
    cJSON_AddStringToObject(row, "task", task);
    cJSON_AddStringToObject(row, "method", method);
    cJSON_AddNumberToObject(row, "observations", (double)s.done);
    if (refusal) cJSON_AddStringToObject(row, "refused", refusal);
    for (size_t c = 0; c < MEANS; c++) {
        double n = (double)s.count[c], mean = s.sum[c] / n;
        char name[NAME_ROOM];
        if (!s.count[c]) continue;
        cJSON_AddNumberToObject(row, name_of(c), mean);
        if (s.count[c] < 2) continue;
        snprintf(name, sizeof name, "%s_error", name_of(c)); /* standard error over observations */
        cJSON_AddNumberToObject(row, name, sqrt(fmax(s.square[c] / n - mean * mean, 0) / (n - 1)));
    }
    add_ranks(row, &s);
    return true;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

enum { COLUMNS = MEANS + 5 };

static void list_columns(const char *columns[COLUMNS]) {
    size_t n = 0;
    columns[n++] = "task";
    columns[n++] = "method";
    columns[n++] = "observations";
    for (size_t c = 0; c < MEANS; c++) columns[n++] = name_of(c);
    columns[n++] = "rank_deviation";
    columns[n++] = "rank_deviation_exact";
}

static void put_csv(FILE *f, const cJSON *rows) {
    const char *columns[COLUMNS];
    list_columns(columns);
    cli_csv_titles(f, columns, COLUMNS);
    cli_csv_rows(f, rows, columns, COLUMNS);
}

static void put_markdown(FILE *f, const cJSON *rows) {
    const char *columns[COLUMNS];
    list_columns(columns);
    cli_markdown_table(f, rows, columns, COLUMNS);
}

static void put_json(FILE *f, const cJSON *rows) {
    char *text = cJSON_Print(rows);
    if (text) fprintf(f, "%s\n", text);
    cJSON_free(text);
}

bool cli_compare_write(const char *folder, const cJSON *rows) {
    static const struct {
        const char *name;
        void (*put)(FILE *, const cJSON *);
    } files[] = {{"table.json", put_json}, {"table.csv", put_csv}, {"table.md", put_markdown}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, files[i].name);
        if (!cli_table_write(path, files[i].put, rows)) return false;
    }
    return true;
}
