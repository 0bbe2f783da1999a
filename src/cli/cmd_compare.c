/* penumbra compare: every method on every task and observation of one prior, resumable, into tables and a figure a
 * task. */
#include "cli/cli.h"
#include "cli/compare_model.h"
#include "cli/compare_table.h"
#include "cli/results.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static int run(int argc, char **argv);

typedef struct values {
    const char *output;
    bool table;
} values;
static const cli_option options[] = {
    {"output", 'o', CLI_TEXT, offsetof(values, output), "DIR", "folder of the results: one folder a run, and the tables"},
    {"table", 0, CLI_FLAG, offsetof(values, table), NULL, "run nothing: the tables and figures of what is there"},
};
const cli_command cli_compare = {
    "compare",
    "all methods on all tasks and observations of a prior, as tables and figures",
    "compare.json -o DIR",
    "compare.json: {\"prior\": ..., \"tasks\": [{\"name\": \"inpainting\", \"operator\": ..., \"noise\": ...}, ...],\n"
    "\"methods\": [{\"type\": \"ppm\", \"name\": \"PPM\", ...}, ...], \"observations\": [\"truth.png\", ...]}, the "
    "parts as in\n"
    "problem.json. Of a mixture prior \"observations\": 16 means 16 exact draws: the ranks then are simulation-based\n"
    "calibration (rank_deviation is half the sum of |share - 1/bins|; rank_deviation_exact what exact draws show of it by\n"
    "chance, entries taken for independent). \"samples\" (8) of each method; \"evaluations\": network evaluations a\n"
    "sample, the same for all, by their steps (a warm-up and a finish stay as they are; without it each has its\n"
    "defaults); \"seed\"; \"size\". A method {\"name\": \"DAVI\", \"model\": \"davi-{task}.safetensors\"} is a generator\n"
    "of penumbra amortize, {task} being the task's name; its observations must be files. Called again it goes on where it\n"
    "stopped. A method that cannot do a task is left out of it: a row of dashes. DIR gets table.md, table.csv,\n"
    "table.json and TASK.png (measurement, mean, standard deviation and samples of each method, first observation).\n",
    options,
    sizeof options / sizeof *options,
    1,
    1,
    run};

enum { PATH_ROOM = 4096, NAME_ROOM = 64, MOST_METHODS = 16, MOST_TASKS = 256, MOST_OBSERVATIONS = 4096 };

typedef struct pair {           /* of a task and a method */
    char *refused;              /* why the method cannot do the task; NULL: it can, or was not asked */
    double steps, finish_steps; /* that take the evaluations asked for; 0: as the method has it, or not worked out yet */
} pair;

typedef struct plan {
    const cli_args *args;
    const char *file, *folder, *base;
    pnb_context *context;
    cJSON *json;
    const cJSON *tasks, *methods, *observations;
    int observation_count, samples;
    double evaluations, seed;              /* evaluations: a sample; 0: each method's defaults */
    int runs, started;                     /* of all; how many of them were come to */
    pair pairs[MOST_TASKS * MOST_METHODS]; /* [task][method] */
} plan;

static const cJSON *get(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static int fault(const plan *p, const char *where, const char *expected) {
    fprintf(stderr, "penumbra compare: %s: %s: expected %s\n", p->file, where, expected);
    return PNB_ERROR_INPUT;
}

/* What stands in tables and names folders: "name", else "type". */
static const char *name_of(const cJSON *entry) {
    const char *name = cJSON_GetStringValue(get(entry, "name"));
    return name ? name : cJSON_GetStringValue(get(entry, "type"));
}

/* Names become folders, so they are plain, and each stands once. */
static int check_names(const plan *p, const char *key, const cJSON *list) {
    const cJSON *entry, *other;
    cJSON_ArrayForEach(entry, list) {
        const char *name = name_of(entry);
        bool plain = name && name[0] && name[0] != '.' && strlen(name) < NAME_ROOM && !strpbrk(name, "/\\\n");
        if (!plain) return fault(p, key, "objects with a \"name\" (shorter than 64 letters, without slashes)");
        cJSON_ArrayForEach(other, list) {
            if (other == entry) break;
            if (strcmp(name_of(other), name) == 0) return fault(p, key, "a different \"name\" for each (two are alike)");
        }
    }
    return CLI_GO_ON;
}

static int whole(const plan *p, const char *key, double least, double most, double *value) {
    const cJSON *v = get(p->json, key);
    char expected[96];
    if (!v) return CLI_GO_ON;
    *value = v->valuedouble;
    if (cJSON_IsNumber(v) && *value >= least && *value <= most && *value == floor(*value)) return CLI_GO_ON;
    snprintf(expected, sizeof expected, "a whole number from %.0f to %.0f", least, most);
    return fault(p, key, expected);
}

static int check_keys(const plan *p) {
    static const char *const known[] = {"prior", "size", "tasks", "methods", "observations", "samples", "evaluations", "seed"};
    enum { KNOWN = sizeof known / sizeof *known };
    const cJSON *v;
    cJSON_ArrayForEach(v, p->json) {
        bool found = false;
        for (size_t i = 0; i < KNOWN; i++) found = found || strcmp(known[i], v->string) == 0;
        const char *near = cli_nearest(v->string, known, KNOWN);
        if (found) continue;
        fprintf(stderr, "penumbra compare: %s: there is no key '%s'; %s", p->file, v->string, near ? "did you mean " : "expected ");
        for (size_t i = 0; i < KNOWN && !near; i++) fprintf(stderr, "%s%s", i ? ", " : "", known[i]);
        fprintf(stderr, "%s\n", near ? near : "");
        return PNB_ERROR_INPUT;
    }
    return CLI_GO_ON;
}

static int read_lists(plan *p) {
    p->tasks = get(p->json, "tasks");
    p->methods = get(p->json, "methods");
    p->observations = get(p->json, "observations");
    int methods = cJSON_GetArraySize(p->methods);
    if (!cJSON_IsObject(get(p->json, "prior"))) return fault(p, "prior", "an object, as in problem.json");
    int tasks = cJSON_GetArraySize(p->tasks);
    if (!cJSON_IsArray(p->tasks) || tasks < 1 || tasks > MOST_TASKS) return fault(p, "tasks", "a list of 1 to 256 tasks");
    if (!cJSON_IsArray(p->methods) || methods < 1 || methods > MOST_METHODS) return fault(p, "methods", "a list of 1 to 16 methods");
    double count = cJSON_IsArray(p->observations) ? cJSON_GetArraySize(p->observations) : 0;
    if (cJSON_IsNumber(p->observations)) count = p->observations->valuedouble;
    if (!(count >= 1 && count <= MOST_OBSERVATIONS && count == floor(count)))
        return fault(p, "observations", "a list of truths (files or arrays), or how many draws of a mixture prior (1 to 4096)");
    p->observation_count = (int)count;
    p->runs = tasks * methods * p->observation_count;
    int code = check_names(p, "tasks", p->tasks);
    return code == CLI_GO_ON ? check_names(p, "methods", p->methods) : code;
}

static int read_plan(plan *p) {
    double samples = 8;
    char *text = cli_read_text(p->file);
    if (!text) {
        fprintf(stderr, "penumbra compare: '%s' cannot be read\n", p->file);
        return PNB_ERROR_INPUT;
    }
    const char *stop = text;
    p->json = cJSON_ParseWithOpts(text, &stop, true);
    int line = 1;
    for (const char *c = text; c < stop; c++) line += *c == '\n';
    free(text);
    if (!cJSON_IsObject(p->json)) {
        fprintf(stderr, "penumbra compare: %s: no JSON object (line %d)\n", p->file, line);
        return PNB_ERROR_INPUT;
    }
    int code = check_keys(p);
    if (code == CLI_GO_ON) code = read_lists(p);
    if (code == CLI_GO_ON) code = whole(p, "samples", 1, 4096, &samples);
    if (code == CLI_GO_ON) code = whole(p, "evaluations", 1, 1e9, &p->evaluations);
    if (code == CLI_GO_ON) code = whole(p, "seed", 0, 1e9, &p->seed);
    p->samples = (int)samples;
    return code;
}

/* ---- one run ----------------------------------------------------------------------------------------------------- */

static void path_of(const plan *p, const cJSON *task, const cJSON *method, int observation, char path[PATH_ROOM]) {
    snprintf(path, PATH_ROOM, "%s/%s/%s/%04d", p->folder, name_of(task), name_of(method), observation);
}

/* DIR/TASK, DIR/TASK/METHOD. */
static bool make_folders(const plan *p, const cJSON *task, const cJSON *method) {
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "%s/%s", p->folder, name_of(task));
    if (!cli_make_folder(path)) return false;
    snprintf(path, sizeof path, "%s/%s/%s", p->folder, name_of(task), name_of(method));
    return cli_make_folder(path);
}

static bool copy_into(cJSON *to, const char *key, const cJSON *value) {
    cJSON *copy = value ? cJSON_Duplicate(value, true) : NULL;
    if (copy && cJSON_AddItemToObject(to, key, copy)) return true;
    cJSON_Delete(copy);
    return !value;
}

static cJSON *truth_of(const plan *p, int observation) {
    if (cJSON_IsArray(p->observations)) return cJSON_Duplicate(cJSON_GetArrayItem(p->observations, observation), true);
    cJSON *draw = cJSON_CreateObject();
    cJSON_AddNumberToObject(draw, "draw", observation);
    return draw;
}

/* A problem.json of this run; all methods see the same noise. NULL: no memory. */
static char *problem_of(const plan *p, const cJSON *task, const cJSON *method, int observation) {
    cJSON *problem = cJSON_CreateObject(), *how = cJSON_Duplicate(method, true), *truth = truth_of(p, observation);
    cJSON_DeleteItemFromObjectCaseSensitive(how, "name");
    if (get(how, "model")) { /* of this problem only the measurement is taken, so any method will do */
        cJSON_DeleteItemFromObjectCaseSensitive(how, "model");
        cJSON_AddStringToObject(how, "type", "dps");
    }
    if (how && !get(how, "particles")) cJSON_AddNumberToObject(how, "particles", p->samples);
    bool ok = copy_into(problem, "prior", get(p->json, "prior")) && copy_into(problem, "size", get(p->json, "size")) &&
              copy_into(problem, "operator", get(task, "operator")) && copy_into(problem, "noise", get(task, "noise"));
    cJSON *noise = cJSON_GetObjectItemCaseSensitive(problem, "noise");
    if (cJSON_IsObject(noise) && !get(noise, "seed")) cJSON_AddNumberToObject(noise, "seed", p->seed + observation);
    cJSON_AddNumberToObject(problem, "seed", p->seed + observation);
    ok = cJSON_AddItemToObject(problem, "method", how) && cJSON_AddItemToObject(problem, "truth", truth) && ok;
    char *text = ok ? cJSON_PrintUnformatted(problem) : NULL;
    cJSON_Delete(problem);
    return text;
}

static pnb_status set_whole(pnb_problem *problem, const char *name, double value) {
    char text[32];
    snprintf(text, sizeof text, "%.0f", value);
    return pnb_problem_set(problem, name, text);
}

/* Network evaluations a sample of the whole run with that many steps, by its plan. */
static pnb_status planned(pnb_problem *problem, int steps, double *evaluations) {
    pnb_progress progress = {.struct_size = sizeof progress};
    pnb_run *run_ = NULL;
    pnb_status status = set_whole(problem, "method.steps", steps);
    if (status == PNB_OK) status = pnb_run_create(problem, &run_);
    if (status == PNB_OK) status = pnb_run_get_progress(run_, &progress);
    if (status == PNB_OK) *evaluations = (double)progress.evaluations_all / pnb_run_particles(run_);
    pnb_run_destroy(&run_);
    return status;
}

/* So many steps that a sample takes the evaluations that are asked for. What comes beside them, a beginning, a warm-up and a finish, is
 * as the method has it, the finish cut where that is more than half of all. */
static pnb_status work_out(const plan *p, pnb_problem *problem, pair *q) {
    char *json = NULL;
    double one = 0, two = 0;
    pnb_status status = pnb_problem_json(problem, &json);
    if (status) return status;
    cJSON *resolved = cJSON_Parse(json);
    const cJSON *finish = get(get(resolved, "method"), "finish_steps");
    pnb_free(json);
    status = planned(problem, 1, &one);
    if (status == PNB_OK) status = planned(problem, 2, &two);
    double each = two - one, beside = one - each;
    if (status == PNB_OK && finish && beside > p->evaluations / 2) {
        q->finish_steps = fmax(1, round(finish->valuedouble * p->evaluations / 2 / beside));
        status = set_whole(problem, "method.finish_steps", q->finish_steps);
        if (status == PNB_OK) status = planned(problem, 1, &one);
        beside = one - each;
    }
    if (status == PNB_OK) q->steps = fmax(1, round((p->evaluations - beside) / each));
    cJSON_Delete(resolved);
    return status;
}

static pnb_status spend(const plan *p, pnb_problem *problem, pair *q) {
    pnb_status status = q->steps ? PNB_OK : work_out(p, problem, q);
    if (status == PNB_OK && q->finish_steps) status = set_whole(problem, "method.finish_steps", q->finish_steps);
    return status ? status : set_whole(problem, "method.steps", q->steps);
}

static int one_run(const plan *p, pnb_problem *problem, pair *q, const char *path) {
    cli_results results = {.folder = path, .resume = true};
    pnb_run *run_ = NULL;
    pnb_status status = p->evaluations > 0 ? spend(p, problem, q) : PNB_OK;
    if (status == PNB_OK) status = pnb_run_create(problem, &run_);
    int code = status ? cli_fail(p->args, p->context, status) : cli_results_run(p->args, p->context, run_, &results);
    pnb_run_destroy(&run_);
    return code;
}

/* NULL where the method takes the problem, else why not; NULL as well without memory. */
static char *refusal_of(const plan *p, pnb_problem *problem) {
    char *unused = NULL;
    pnb_status status = pnb_problem_json(problem, &unused);
    pnb_free(unused);
    return status == PNB_ERROR_INPUT ? strdup(pnb_last_error(p->context)) : NULL;
}

typedef struct cell {
    const cJSON *task, *method;
    int observation;
    pair *pair;
    char path[PATH_ROOM];
} cell;

static int solve(const plan *p, const cell *c, const char *text) {
    pnb_problem *problem = NULL;
    pnb_status status = pnb_problem_parse(p->context, text, p->base, &problem);
    int code = status ? cli_fail(p->args, p->context, status) : PNB_OK;
    if (code == PNB_OK) c->pair->refused = refusal_of(p, problem);
    if (c->pair->refused) {
        fprintf(stderr, "left out: %s\n", c->pair->refused);
    } else if (code == PNB_OK) {
        code = make_folders(p, c->task, c->method) ? one_run(p, problem, c->pair, c->path) : PNB_ERROR_INPUT;
    }
    pnb_problem_destroy(&problem);
    return code;
}

/* A method with a "model": samples of its generator. */
static int reconstruct(const plan *p, const cell *c, const char *text, const char *pattern) {
    const char *truth = cJSON_GetStringValue(cJSON_GetArrayItem(p->observations, c->observation));
    char *model = cli_compare_path(p->base, pattern, name_of(c->task)), *path = cli_compare_path(p->base, truth ? truth : "", "");
    int code = model && path ? PNB_OK : PNB_ERROR_OUT_OF_MEMORY;
    if (code == PNB_OK && (!truth || !cli_exists(model))) {
        const char *why = truth ? "there is no such file; penumbra amortize makes one" : "needs observations that are files";
        fprintf(stderr, "left out: %s: %s\n", model, why);
        c->pair->refused = strdup(why);
    } else if (code == PNB_OK) {
        cli_generator generator = {.task = name_of(c->task),
                                   .problem = text,
                                   .base = p->base,
                                   .model = model,
                                   .truth = path,
                                   .folder = c->path,
                                   .samples = (uint32_t)p->samples,
                                   .seed = (uint64_t)p->seed + (uint64_t)c->observation};
        code = make_folders(p, c->task, c->method) ? cli_compare_reconstruct(p->args, p->context, &generator) : PNB_ERROR_INPUT;
    }
    free(model);
    free(path);
    return code;
}

static int fill_cell(plan *p, cell *c) {
    const char *model = cJSON_GetStringValue(get(c->method, "model"));
    int complete = 0;
    p->started++;
    if (c->pair->refused) return PNB_OK;
    path_of(p, c->task, c->method, c->observation, c->path);
    pnb_status status = pnb_folder_state(p->context, c->path, NULL, NULL, &complete);
    if (status) return cli_fail(p->args, p->context, status);
    if (complete && !p->args->common.overwrite) return PNB_OK;
    if (!p->args->common.quiet)
        fprintf(stderr, "%s, %s, observation %d (run %d of %d)\n", name_of(c->task), name_of(c->method), c->observation, p->started,
                p->runs);
    char *text = problem_of(p, c->task, c->method, c->observation);
    if (!text) return PNB_ERROR_OUT_OF_MEMORY;
    int code = model ? reconstruct(p, c, text, model) : solve(p, c, text);
    cJSON_free(text);
    return code;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int add_row(const plan *p, const cJSON *task, const cJSON *method, const char *refusal, cJSON *rows) {
    size_t n = (size_t)p->observation_count;
    char(*paths)[PATH_ROOM] = malloc(n * sizeof *paths);
    const char **folders = malloc(n * sizeof *folders);
    bool ok = paths && folders;
    for (size_t i = 0; ok && i < n; i++) {
        path_of(p, task, method, (int)i, paths[i]);
        folders[i] = paths[i];
    }
    ok = ok && cli_compare_row(rows, name_of(task), name_of(method), refusal, folders, n);
    free(folders);
    free(paths);
    return ok ? PNB_OK : PNB_ERROR_OUT_OF_MEMORY;
}

/* The first observation by every method that has finished it. */
static int draw_task(const plan *p, const cJSON *task) {
    char paths[MOST_METHODS][PATH_ROOM], picture[PATH_ROOM];
    const char *folders[MOST_METHODS];
    size_t n = 0;
    const cJSON *method;
    cJSON_ArrayForEach(method, p->methods) {
        int complete = 0;
        path_of(p, task, method, 0, paths[n]);
        if (pnb_folder_state(p->context, paths[n], NULL, NULL, &complete) == PNB_OK && complete) {
            folders[n] = paths[n];
            n++;
        }
    }
    snprintf(picture, sizeof picture, "%s/%s.png", p->folder, name_of(task));
    pnb_status status = n ? pnb_draw_folders(p->context, n, folders, picture) : PNB_OK;
    return status ? cli_fail(p->args, p->context, status) : PNB_OK;
}

static int write_all(plan *p) {
    cJSON *rows = cJSON_CreateArray();
    const cJSON *task, *method;
    const pair *q = p->pairs;
    int code = rows ? PNB_OK : PNB_ERROR_OUT_OF_MEMORY;
    cJSON_ArrayForEach(task, p->tasks) {
        cJSON_ArrayForEach(method, p->methods) {
            if (code == PNB_OK) code = add_row(p, task, method, q->refused, rows);
            q++;
        }
        if (code == PNB_OK) code = draw_task(p, task);
    }
    if (code == PNB_OK && !cli_compare_write(p->folder, rows)) code = PNB_ERROR_INPUT;
    cJSON_Delete(rows);
    if (code == PNB_OK && !p->args->common.quiet) fprintf(stderr, "wrote %s/table.md\n", p->folder);
    return code;
}

static int run_observation(plan *p, int observation) {
    cell c = {.observation = observation, .pair = p->pairs};
    int code = PNB_OK;
    cJSON_ArrayForEach(c.task, p->tasks) {
        cJSON_ArrayForEach(c.method, p->methods) {
            if (code == PNB_OK) code = fill_cell(p, &c);
            c.pair++;
        }
    }
    return code;
}

/* Observations outermost: what there is after an interruption compares all methods on the same ones. */
static int compare(plan *p, bool table_only) {
    int code = read_plan(p), refused = 0, cells;
    if (code != CLI_GO_ON) return code;
    cells = cJSON_GetArraySize(p->tasks) * cJSON_GetArraySize(p->methods);
    if (!cli_make_folder(p->folder)) return PNB_ERROR_INPUT;
    code = PNB_OK;
    for (int i = 0; i < p->observation_count && code == PNB_OK && !table_only; i++) code = run_observation(p, i);
    int written = code == PNB_OK || code == PNB_ERROR_CANCELLED ? write_all(p) : PNB_OK;
    for (int i = 0; i < cells; i++) {
        refused += p->pairs[i].refused != NULL;
        free(p->pairs[i].refused);
    }
    if (code == PNB_OK && refused == cells) code = PNB_ERROR_INPUT; /* nothing could be done: each said why */
    return code ? code : written;
}

/* The folder of the file, for relative paths. */
static char *base_of(const char *file) {
    const char *slash = strrchr(file, '/');
    size_t n = slash ? (size_t)(slash - file) + (slash == file) : 1;
    char *base = malloc(n + 1);
    if (!base) return NULL;
    memcpy(base, slash ? file : ".", n);
    base[n] = 0;
    return base;
}

static int run(int argc, char **argv) {
    cli_args args;
    values v = {0};
    plan p = {.args = &args};
    int code = cli_parse(&cli_compare, argc, argv, &args, &v);
    if (code == CLI_GO_ON && !v.output) code = cli_usage(&cli_compare, "-o DIR is missing");
    if (code == CLI_GO_ON) code = cli_open(&args, &p.context);
    if (code == CLI_GO_ON) {
        char *base = base_of(args.positional[0]);
        p.file = args.positional[0];
        p.folder = v.output;
        p.base = base;
        cli_catch_signals();
        code = base ? compare(&p, v.table) : PNB_ERROR_OUT_OF_MEMORY;
        cJSON_Delete(p.json);
        free(base);
    }
    return cli_close(&args, &p.context, code);
}
