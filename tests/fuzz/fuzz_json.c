/* Fuzz target: problem documents as JSON: parsing, getters with their complaints, and printing. */
#include "fuzz/fuzz.h"

#include "io/json.h"

#include <cjson/cJSON.h>
#include <string.h>

static void get_values(pnb_error *err, const cJSON *root) {
    static const char *const words[] = {"ppm", "reddiff", NULL}, *const keys[] = {"prior", "method", "a", NULL};
    pnb_json doc = pnb_json_root(err, "fuzz", root), method, item;
    uint64_t shape[PNB_ARRAY_MAX_RANK];
    uint32_t rank;
    double *numbers, real;
    int64_t whole;
    const char *text;
    bool flag;
    int word;
    fuzz_check(err, pnb_json_object(&doc, "method", &method));
    fuzz_check(err, pnb_json_real(&doc, "a", 1, -10, 10, &real));
    fuzz_check(err, pnb_json_int(&doc, "a", 1, -10, 10, &whole));
    fuzz_check(err, pnb_json_bool(&doc, "a", true, &flag));
    fuzz_check(err, pnb_json_string(&doc, "a", NULL, &text));
    fuzz_check(err, pnb_json_choice(&doc, "a", 0, words, &word));
    fuzz_check(err, pnb_json_known_keys(&doc, keys));
    fuzz_check(err, pnb_json_numbers(&doc, "a", 1000, &rank, shape, &numbers));
    free(numbers);
    item = pnb_json_item(&doc, 3);
    fuzz_check(err, pnb_json_expected(&item, "nothing"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pnb_error err = {0};
    cJSON *root, *again;
    pnb_status status = pnb_json_parse(&err, "fuzz", (const char *)data, size, &root);
    fuzz_check(&err, status);
    if (status != PNB_OK) return 0;
    get_values(&err, root);
    char *text = pnb_json_print(root);
    if (!text || pnb_json_parse(&err, "printed", text, strlen(text), &again) != PNB_OK) abort();
    cJSON_Delete(again);
    free(text);
    cJSON_Delete(root);
    return 0;
}
