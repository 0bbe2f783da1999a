/* JSON of problems and runs: loading with a place for every complaint, typed getters with ranges, round-trip printing.
 *
 * cJSON holds the document; these helpers keep where a value stands, so that a sentence can say it:
 * "problem.json: method.steps: expected a whole number from 1 to 1000000, found \"many\"".
 *
 *     cJSON *root;
 *     PNB_TRY(pnb_json_load(err, "problem.json", &root));
 *     pnb_json doc = pnb_json_root(err, "problem.json", root), method;
 *     PNB_TRY_GOTO(pnb_json_object(&doc, "method", &method));
 *     PNB_TRY_GOTO(pnb_json_int(&method, "steps", 600, 1, 1000000, &steps));
 *     PNB_TRY_GOTO(pnb_json_known_keys(&method, (const char *const[]){"type", "particles", "steps", NULL}));
 *
 * Every fault of a document is PNB_ERROR_INPUT. A key that is absent or null takes the default. */
#ifndef PNB_IO_JSON_H
#define PNB_IO_JSON_H

#include "base/status.h"
#include "io/array.h"

struct cJSON;

enum { PNB_JSON_MAX_BYTES = 16 << 20, PNB_JSON_PLACE_SIZE = 160 };

/* Loads or parses a document; *root is freed with cJSON_Delete. A syntax error names line and column. `name` stands for
 * the file in sentences. */
pnb_status pnb_json_load(pnb_error *err, const char *path, struct cJSON **root);
pnb_status pnb_json_parse(pnb_error *err, const char *name, const char *text, size_t bytes, struct cJSON **root);

/* A value and where it stands. Plain memory; borrows err, file and value. */
typedef struct pnb_json {
    pnb_error *err;
    const char *file;
    const struct cJSON *value;       /* NULL: absent (or null) */
    char place[PNB_JSON_PLACE_SIZE]; /* "method.steps"; "" for the document */
} pnb_json;

pnb_json pnb_json_root(pnb_error *err, const char *file, const struct cJSON *root);

/* The value under a key, or entry i of an array; .value is NULL where it is absent. Never fails. */
pnb_json pnb_json_get(const pnb_json *object, const char *key);
pnb_json pnb_json_item(const pnb_json *array, size_t i);

/* A sentence about this value: "<file>: <place>: expected <expected>, found <what it is>". Returns PNB_ERROR_INPUT. */
pnb_status pnb_json_expected(const pnb_json *json, const char *expected);

/* Fails where the key is absent: "problem.json: operator.top: missing". */
pnb_status pnb_json_require(const pnb_json *object, const char *key);

/* Typed values under a key. min and max are inclusive. Strings are borrowed from the document. Numbers must be finite.
 */
pnb_status pnb_json_real(const pnb_json *object, const char *key, double def, double min, double max, double *out);
pnb_status pnb_json_int(const pnb_json *object, const char *key, int64_t def, int64_t min, int64_t max, int64_t *out);
pnb_status pnb_json_bool(const pnb_json *object, const char *key, bool def, bool *out);
pnb_status pnb_json_string(const pnb_json *object, const char *key, const char *def, const char **out);

/* One of a NULL-terminated list of words; *out is its index. A near miss is named ("did you mean ..."). */
pnb_status pnb_json_choice(const pnb_json *object, const char *key, int def, const char *const *words, int *out);

/* An object under a key; out->value is NULL where it is absent. The document itself must be an object, too. */
pnb_status pnb_json_object(const pnb_json *object, const char *key, pnb_json *out);

/* A number, or nested arrays of numbers of one shape ([[1, 2], [3, 4]] is rank 2), of at most `limit` numbers. *out is
 * malloc'd, for the caller to free, row-major, finite; absent: *out is NULL and *rank 0. shape has room for
 * PNB_ARRAY_MAX_RANK. */
pnb_status pnb_json_numbers(const pnb_json *object, const char *key, uint64_t limit, uint32_t *rank, uint64_t *shape,
                            double **out);

/* Fails for a key that is not in the NULL-terminated list, naming the nearest one that is, and for a key that appears
 * twice. */
pnb_status pnb_json_known_keys(const pnb_json *object, const char *const *known);

/* The word of a NULL-terminated list that `word` was probably meant to be; NULL where none is near. */
const char *pnb_did_you_mean(const char *word, const char *const *words);

/* --- writing --- */

enum { PNB_NUMBER_TEXT_SIZE = 32 };

/* The shortest decimal text that reads back as the same double; "null" where it is not finite. Independent of the
 * locale. */
const char *pnb_number_to_text(double value, char *buf);

/* The double whose shortest text is the shortest decimal of this float: 0.1f gives 0.1, so JSON shows 0.1 and reads
 * back 0.1f. */
double pnb_float_as_decimal(float value);

/* The document as text, two spaces a level, arrays of plain values in one line; for the caller to free(). NULL without
 * memory. */
char *pnb_json_print(const struct cJSON *root);

/* The same with a newline to a file, atomically. */
pnb_status pnb_json_write(pnb_error *err, const char *path, const struct cJSON *root);

#endif
