/* Packing: no two tensors that live at once overlap, limits and alignment hold, the result is tight. */
#include "graph/fake.h"

static uint32_t next_random(uint32_t *s) {
    *s = *s * 1664525u + 1013904223u;
    return *s >> 8;
}

static void check(const pnb_slot *s, size_t n, const pnb_blocks *blocks, uint64_t limit) {
    for (size_t i = 0; i < n; i++) {
        assert_true(s[i].arena < blocks->count);
        assert_true(s[i].offset + s[i].bytes <= blocks->bytes[s[i].arena]);
        assert_true(s[i].offset % PNB_MEMORY_ALIGNMENT == 0);
        for (size_t k = 0; k < i; k++) {
            bool together = s[i].first <= s[k].last && s[k].first <= s[i].last && s[i].arena == s[k].arena;
            bool overlap = s[i].offset < s[k].offset + s[k].bytes && s[k].offset < s[i].offset + s[i].bytes;
            assert_false(together && overlap);
        }
    }
    for (size_t i = 0; i < blocks->count; i++) assert_true(blocks->bytes[i] <= limit);
}

static void test_random(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 200; round++) {
        pnb_slot s[80];
        pnb_blocks blocks = {0};
        uint64_t limit = 4096 + 16 * (next_random(&seed) % 1000);
        size_t n = 1 + next_random(&seed) % 80;
        for (size_t i = 0; i < n; i++) {
            s[i] = (pnb_slot){.bytes = 16 * (1 + next_random(&seed) % 256), .first = next_random(&seed) % 40};
            s[i].last = s[i].first + next_random(&seed) % 10;
        }
        assert_int_equal(pnb_pack(NULL, s, n, limit, &blocks), PNB_OK);
        check(s, n, &blocks, limit);
        free(blocks.bytes);
    }
}

static void test_tight(void **state) {
    (void)state;
    pnb_slot chain[100]; /* each lives with its neighbours only: two places are enough */
    pnb_blocks blocks = {0};
    for (uint32_t i = 0; i < 100; i++) chain[i] = (pnb_slot){.bytes = 1024, .first = i, .last = i + 1};
    assert_int_equal(pnb_pack(NULL, chain, 100, 1 << 20, &blocks), PNB_OK);
    assert_int_equal(blocks.count, 1);
    assert_int_equal(blocks.bytes[0], 2048);
    pnb_slot all[3]; /* three at once, of which only two fit one arena */
    for (uint32_t i = 0; i < 3; i++) all[i] = (pnb_slot){.bytes = 1024, .first = 0, .last = 9};
    assert_int_equal(pnb_pack(NULL, all, 3, 2048, &blocks), PNB_OK);
    assert_int_equal(blocks.count, 2);
    free(blocks.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_tight)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
