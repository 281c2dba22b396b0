# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The third part of the C source: float32 products on the tile units of Intel's AMX, which multiply bfloat16.

A float32 number is the sum of three bfloat16 numbers: 3 x 8 bits are its 24. Of the nine products of two such sums the
six largest are added up in float32; the others are below 2^-24 of the product, as is the rounding of any float32 product.
Six products of tiles take less time than one of vectors. (The idea: Henry, Tang and Heinecke 2019, arXiv:1904.06376.)

Rows are split once for many products; weights stay in float32, as reading them is what takes the time, and are split
while the tiles multiply. A single row would leave the tiles empty: vectors multiply it, rounding as the tiles do, so that
the bits are the same (of NaN, which stays NaN, only that). Shapes as in `lstm_native_source`.
"""

from .lstm_native_one_row_source import ONE_ROW_SOURCE

AMX_SOURCE = (
    r"""
#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__AVX512BW__) && defined(__linux__) && WIDTH == 16
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

// A tile holds 16 rows of 64 bytes: TERMS bfloat16 numbers of a row, or TERMS / 2 pairs of weights for 16 columns.
#define TERMS 32
#define TILE 512
#define PARTS 3
// Weights stand in half panels: two gates of WIDTH units, or HALF outputs.
#define HALF 32
// Terms whose rows are split at once, of sums that are longer.
#define DEPTH_AMX 256
#define BLOCK_ROWS 256
// Blocks of TERMS whose split weights stay in the nearest cache: those in use, and those to come.
#define SLOTS 4
#define SPLIT_BLOCK (2 * PARTS * TILE)
// The tile instructions say nothing of memory to the compiler.
#define MEMORY __asm__ volatile("" ::: "memory")

const int64_t hf_elmo_amx_terms = TERMS, hf_elmo_amx_depth = DEPTH_AMX, hf_elmo_amx_block_rows = BLOCK_ROWS;

// Whether vectors multiply a single row. `lstm_native` allows it once both ways gave the same bits here.
int64_t hf_elmo_amx_one_row = 0;

// Linux gives a process the tiles when it asks for them. 0 if it may use them.
int hf_elmo_amx_permission(void) { return (int)syscall(SYS_arch_prctl, 0x1023, 18); }

// n rows in tiles of equal height; or `one` for vectors.
typedef struct {
    int64_t n, tiles, height;
    int one;
} row_tiles;

INLINE row_tiles tiles_of(int64_t n)
{
    int64_t tiles = (n + 15) / 16;
    // Read once: another copy of this module may be checking the library that all of them share.
    return (row_tiles){n, tiles, (n + tiles - 1) / tiles, n == 1 && hf_elmo_amx_one_row};
}

// Registers 0 to 3 are sums, 4 and 5 rows, 6 and 7 weights.
SEPARATE void set_tiles(int64_t height)
{
    struct {
        uint8_t palette, start, zeros[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config;
    memset(&config, 0, sizeof config);
    config.palette = 1;
    for (int i = 0; i < 8; i++) {
        config.bytes[i] = 64;
        config.rows[i] = i < 6 ? height : 16;
    }
    __asm__ volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
}

INLINE __m512 in_float32(__m256i numbers) { return (__m512)_mm512_slli_epi32(_mm512_cvtepu16_epi32(numbers), 16); }

// Behind the parts of a single row: the same numbers in float32.
INLINE float *parts_in_float32(const uint16_t *parts, int64_t blocks) { return (float *)(parts + blocks * PARTS * TERMS); }

// Rows (n, K) -> for each tile of rows and each TERMS of K: PARTS times (height, TERMS), zeros where nothing stands.
// A row with numbers so large that products of single parts may be infinite, of either sign and so NaN together, counts
// as zeros and is `strange`. Returns how many are. (Weights are below 2^64.)
SEPARATE int64_t split_rows(row_tiles t, const float *a, int64_t stride, int64_t K, uint16_t *parts, uint8_t *strange)
{
    const int64_t blocks = (K + TERMS - 1) / TERMS, size = t.height * TERMS;
    const __m512 limit = _mm512_set1_ps(0x1p60f);
    int64_t found = 0;
    for (int64_t r = 0; r < t.tiles * t.height; r++) {
        uint16_t *to = parts + r / t.height * blocks * PARTS * size + r % t.height * TERMS;
        __mmask16 beyond = 0;
        for (int64_t k = 0; r < t.n && k < K; k += 16) {
            __mmask16 there = _cvtu32_mask16((1u << least(K - k, 16)) - 1);
            __m512 x = _mm512_abs_ps(_mm512_maskz_loadu_ps(there, a + r * stride + k));
            beyond |= _mm512_cmp_ps_mask(x, limit, _CMP_GE_OQ);  // not NaN, which stays NaN
        }
        if (r < t.n)
            found += strange[r] = beyond != 0;
        const int64_t known = r < t.n && !beyond ? K : 0;
        for (int64_t b = 0; b < blocks; b++, to += PARTS * size) {
            const int64_t left = known - b * TERMS;
            const float *from = a + r * stride + b * TERMS;
            __mmask16 first = left >= 16 ? 0xffff : left > 0 ? (1u << left) - 1 : 0;
            __mmask16 second = left >= 32 ? 0xffff : left > 16 ? (1u << (left - 16)) - 1 : 0;
            __m512 x = _mm512_maskz_loadu_ps(first, from), y = _mm512_maskz_loadu_ps(second, from + 16);
            for (int p = 0; p < PARTS; p++) {
                __m512i both = (__m512i)_mm512_cvtne2ps_pbh(y, x);
                _mm512_storeu_si512(to + p * size, both);
                x -= in_float32(_mm512_castsi512_si256(both));
                y -= in_float32(_mm512_extracti64x4_epi64(both, 1));
            }
        }
    }
    float *copy = parts_in_float32(parts, blocks);
    for (int64_t k = 0; t.one && k < blocks * PARTS * TERMS; k += 16)
        _mm512_storeu_ps(copy + k, in_float32(_mm256_loadu_si256((const __m256i *)(parts + k))));
    return found;
}

// The pair of rows unit / 2 of w (TERMS, HALF), columns 16 * (unit % 2): cut off after 8 bits, the rest after 8 more.
INLINE void split_weights(const float *w, uint16_t *to, int unit)
{
    const __m512i upper = _mm512_set1_epi32(0xffff0000);
    w += unit / 2 * 2 * HALF + unit % 2 * 16;
    to += unit % 2 * PARTS * TILE + unit / 2 * TERMS;
    __m512i even = _mm512_loadu_si512(w), odd = _mm512_loadu_si512(w + HALF);
    for (int p = 0; p < PARTS; p++) {
        // (odd & upper) | (even >> 16)
        _mm512_store_si512(to + p * TILE, _mm512_ternarylogic_epi32(upper, odd, _mm512_srli_epi32(even, 16), 0xea));
        if (p + 1 < PARTS) {
            even = (__m512i)((__m512)even - (__m512)_mm512_and_si512(even, upper));
            odd = (__m512i)((__m512)odd - (__m512)_mm512_and_si512(odd, upper));
        }
    }
}

// Part of the weights to come is split between the products, and more is asked for.
#define SPLIT(from, to) \
    if (ahead) { \
        _Pragma("GCC unroll 6") for (int unit = from; unit < to; unit++) { \
            split_weights(ahead, next, unit); \
            __builtin_prefetch((const char *)(ahead + 2 * TERMS * HALF) + 128 * unit, 0, 2); \
            __builtin_prefetch((const char *)(ahead + 2 * TERMS * HALF) + 128 * unit + 64, 0, 2); \
        } \
    }
#define WEIGHTS(part) \
    _tile_loadd(6, w + part * TILE, 64); \
    _tile_loadd(7, w + (PARTS + part) * TILE, 64);

// Sums in registers 0 to 3 += two tiles of rows, x and y, times w, a block of split weights; `ahead` (TERMS, HALF) or NULL
// is split into `next`.
INLINE void two_tiles(const uint16_t *x, const uint16_t *y, int64_t size, const uint16_t *w, const float *ahead,
                      uint16_t *next)
{
#define ROWS_OF(part) \
    _tile_loadd(4, x + part * size, 64); \
    _tile_loadd(5, y + part * size, 64);
#define PRODUCTS \
    _tile_dpbf16ps(0, 4, 6); \
    _tile_dpbf16ps(1, 4, 7); \
    _tile_dpbf16ps(2, 5, 6); \
    _tile_dpbf16ps(3, 5, 7);
#define ALL_PRODUCTS \
    MEMORY; \
    ROWS_OF(0) WEIGHTS(0) PRODUCTS SPLIT(0, 6) \
    WEIGHTS(1) PRODUCTS SPLIT(6, 12) \
    WEIGHTS(2) PRODUCTS SPLIT(12, 17) \
    ROWS_OF(1) WEIGHTS(0) PRODUCTS SPLIT(17, 22) \
    WEIGHTS(1) PRODUCTS SPLIT(22, 27) \
    ROWS_OF(2) WEIGHTS(0) PRODUCTS SPLIT(27, 32)
    ALL_PRODUCTS
}
#undef ROWS_OF
#undef PRODUCTS

// The same for one tile of rows, and registers 0 and 1.
INLINE void one_tile(const uint16_t *x, int64_t size, const uint16_t *w, const float *ahead, uint16_t *next)
{
#define ROWS_OF(part) _tile_loadd(4, x + part * size, 64);
#define PRODUCTS \
    _tile_dpbf16ps(0, 4, 6); \
    _tile_dpbf16ps(1, 4, 7);
    ALL_PRODUCTS
}

// out (HALF) = or += sums
INLINE void put_sums(const float *sums, float *out, int add)
{
    for (int q = 0; q < HALF; q += WIDTH) {
        vec sum = load(sums + q);
        if (add)
            sum += load(out + q);
        store(out + q, sum);
    }
}

// Weights on their way through a ring of slots: the first block of a half panel stands in slot `first`, and `ready` blocks
// of it are split already. Begins as zeros.
typedef struct {
    uint16_t split[SLOTS * SPLIT_BLOCK] __attribute__((aligned(64)));
    int64_t first, ready;
} ring;

// out (n, HALF) = or += rows times w (blocks * TERMS, HALF); `parts` hold the rows; `after` is the half panel to come, or
// NULL. Sums of SLOTS blocks are added to out one after another, so that rounding does not grow with the number of terms,
// and never depend on other rows.
SEPARATE void half_panel(row_tiles t, const uint16_t *parts, const float *w, int64_t blocks, const float *after,
                         ring *weights, float *out, int64_t out_stride, int add)
{
    float sums[2 * 16 * HALF] __attribute__((aligned(64)));
    const int64_t size = t.height * TERMS, step = PARTS * size, bytes = HALF * sizeof(float);
    int64_t done = weights->ready;
    for (; done < least(blocks, SLOTS - 1); done++)
        for (int unit = 0; unit < TERMS; unit++)
            split_weights(w + done * TERMS * HALF,
                          weights->split + (weights->first + done) % SLOTS * SPLIT_BLOCK, unit);
    for (int64_t start = 0; start < blocks; start += SLOTS)
        for (int64_t tile = 0; tile < t.tiles; tile += 2) {
            const int two = tile + 1 < t.tiles;
            const uint16_t *x = parts + tile * blocks * step, *y = x + blocks * step;
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
            const int64_t stop = least(start + SLOTS, blocks);
            for (int64_t b = start; b < stop; b++) {
                // A slot is free once the last tiles have used it.
                const int64_t kept = tile + 2 < t.tiles ? start : b;
                const float *ahead = NULL;
                if (done < kept + SLOTS && done < blocks)
                    ahead = w + done * TERMS * HALF;
                else if (done < kept + SLOTS && done < 2 * blocks && after)
                    ahead = after + (done - blocks) * TERMS * HALF;
                const uint16_t *now = weights->split + (weights->first + b) % SLOTS * SPLIT_BLOCK;
                uint16_t *next = weights->split + (weights->first + done) % SLOTS * SPLIT_BLOCK;
                done += ahead != NULL;
                if (two && ahead)
                    two_tiles(x + b * step, y + b * step, size, now, ahead, next);
                else if (two)
                    two_tiles(x + b * step, y + b * step, size, now, NULL, NULL);
                else if (ahead)
                    one_tile(x + b * step, size, now, ahead, next);
                else
                    one_tile(x + b * step, size, now, NULL, NULL);
            }
            _tile_stored(0, sums, bytes);
            _tile_stored(1, sums + 16, bytes);
            if (two) {
                _tile_stored(2, sums + 16 * HALF, bytes);
                _tile_stored(3, sums + 16 * HALF + 16, bytes);
            }
            MEMORY;
            const int64_t row = tile * t.height, rows = least(t.n - row, 2 * t.height);
            for (int64_t r = 0; r < rows; r++)
                put_sums(sums + (r < t.height ? r : r - t.height + 16) * HALF, out + (row + r) * out_stride, add || start);
        }
    weights->first = (weights->first + blocks) % SLOTS;
    weights->ready = done - blocks;
}

"""
    + ONE_ROW_SOURCE
    + r"""
// What `split_rows` left out, by plain products: out += strange rows of a times w (K, HALF).
SEPARATE void add_strange_rows(row_tiles t, const uint8_t *strange, const float *a, int64_t stride, int64_t K,
                               const float *w, float *out, int64_t out_stride)
{
    for (int64_t r = 0; r < t.n; r++)
        for (int q = 0; strange[r] && q < HALF; q += WIDTH) {
            vec sum = {};
            for (int64_t k = 0; k < K; k++)
                sum += a[r * stride + k] * load(w + k * HALF + q);
            store(out + r * out_stride + q, load(out + r * out_stride + q) + sum);
        }
}

// out = or += rows (n, K), split into `parts`, times `halves` half panels (K rounded up to TERMS, HALF), which give HALF
// numbers of out each; `after` as in `half_panel`.
INLINE void half_panels(row_tiles t, const float *a, int64_t stride, int64_t K, const uint16_t *parts,
                        const uint8_t *strange, int64_t found, const float *w, int64_t halves, const float *after,
                        ring *weights, float *out, int64_t out_stride, int add)
{
    const int64_t blocks = (K + TERMS - 1) / TERMS, size = blocks * TERMS * HALF;
    for (int64_t p = 0; p < halves; p++, w += size, out += HALF) {
        const float *next = p + 1 < halves ? w + size : after;
        if (t.one)
            half_panel_of_one(parts_in_float32(parts, blocks), w, blocks, next, out, add);
        else
            half_panel(t, parts, w, blocks, next, weights, out, out_stride, add);
        if (found)
            add_strange_rows(t, strange, a, stride, K, w, out, out_stride);
    }
}

// `hf_elmo_lstm` by tiles. K is D rounded up to TERMS.
void hf_elmo_lstm_amx(
    const float *words,        // (N, D)
    const float *weight_ih,    // (M' / WIDTH, 2, K, HALF)
    const float *weight_hh,    // (M' / WIDTH, 2, K, HALF)
    const float *bias,         // (M' / WIDTH, PANEL)
    const float *weight_hr,    // for every DEPTH_AMX of M, at the end fewer: (D' / HALF, DEPTH_AMX, HALF); or NULL
    const float *h,            // (n, D) before the first word
    float *c,                  // (n, M') before the first word; after it each sentence's last
    float *hidden,             // (n, M') room
    float *gates,              // (words of a block, 4 M') room
    float *projected,          // (n, D') room
    float *outputs,            // (N, D)
    uint16_t *parts,           // (words of a block or n, and 16, PARTS * the larger of K and DEPTH_AMX) room
    uint8_t *strange,          // (words of a block or n) room
    const int64_t *alive,      // (steps,) sentences that have a word at each step
    int64_t steps, int64_t D, int64_t M, float cell_clip, float proj_clip)
{
    const int64_t panels = (M + WIDTH - 1) / WIDTH, stride = panels * WIDTH, K = (D + TERMS - 1) / TERMS * TERMS;
    const int64_t out_stride = (D + PANEL - 1) / PANEL * PANEL, panel = 2 * K * HALF;
    ring weights;
    weights.first = weights.ready = 0;
    for (int64_t step = 0; step < steps;) {
        int64_t rows, end = end_of_block(alive, step, steps, &rows);
        row_tiles t = tiles_of(rows);
        set_tiles(t.height);
        int64_t found = split_rows(t, words, D, D, parts, strange);
        for (int64_t p = 0; p < panels; p++)
            half_panels(t, words, D, D, parts, strange, found, weight_ih + p * panel, 2,
                        p + 1 < panels ? weight_ih + (p + 1) * panel : NULL, &weights, gates + p * rows * PANEL, PANEL, 0);
        words += rows * D;
        for (int64_t row = 0; step < end; row += alive[step++]) {
            t = tiles_of(alive[step]);
            set_tiles(t.height);
            found = split_rows(t, h, D, D, parts, strange);
            // There and back again: each step begins with the panels that the last one left in the cache.
            const int64_t onward = step % 2 ? -1 : 1;
            for (int64_t turn = 0, p = onward > 0 ? 0 : panels - 1; turn < panels; turn++, p += onward) {
                float *sums = gates + (p * rows + row) * PANEL;
                half_panels(t, h, D, D, parts, strange, found, weight_hh + p * panel, 2,
                            turn + 1 < panels ? weight_hh + (p + onward) * panel : NULL, &weights, sums, PANEL, 1);
                cells(t.n, sums, bias + p * PANEL, c + p * WIDTH, hidden + p * WIDTH, stride, cell_clip);
            }
            // What is hidden lies between -1 and 1: no row is strange.
            const float *w = weight_hr;
            for (int64_t k = 0; w && k < M; k += DEPTH_AMX) {
                const int64_t depth = least(M - k, DEPTH_AMX), blocks = (depth + TERMS - 1) / TERMS;
                split_rows(t, hidden + k, stride, depth, parts, strange);
                half_panels(t, NULL, 0, depth, parts, strange, 0, w, out_stride / HALF, NULL, &weights, projected,
                            out_stride, k > 0);
                w += out_stride * blocks * TERMS;
            }
            if (weight_hr)
                clip_rows(t.n, projected, out_stride, outputs, D, proj_clip);
            else
                clip_rows(t.n, hidden, stride, outputs, D, __builtin_inff());
            h = outputs;
            outputs += t.n * D;
        }
    }
    _tile_release();
}

// `hf_elmo_linear` by tiles, for the half panels from `begin` to before `end`: threads share the weights, not the rows.
void hf_elmo_linear_amx(
    const float *rows,         // (n, I)
    const float *weight,       // for every DEPTH_AMX of I, at the end fewer: (O' / HALF, DEPTH_AMX, HALF)
    const float *bias,         // (O',)
    float *out,                // (n, O')
    uint16_t *parts,           // (least of n and BLOCK_ROWS, and 16, PARTS * DEPTH_AMX) room
    uint8_t *strange,          // (least of n and BLOCK_ROWS) room
    int64_t n, int64_t I, int64_t O, int64_t begin, int64_t end)
{
    const int64_t stride = (O + PANEL - 1) / PANEL * PANEL;
    for (int64_t m; n > 0; n -= m, rows += m * I, out += m * stride) {
        m = least(n, BLOCK_ROWS);
        const row_tiles t = tiles_of(m);
        const float *w = weight;
        float *part = out + begin * HALF;
        ring weights;
        weights.first = weights.ready = 0;
        set_tiles(t.height);
        for (int64_t k = 0; k < I; k += DEPTH_AMX) {
            const int64_t depth = least(I - k, DEPTH_AMX), size = (depth + TERMS - 1) / TERMS * TERMS * HALF;
            const int64_t found = split_rows(t, rows + k, I, depth, parts, strange);
            half_panels(t, rows + k, I, depth, parts, strange, found, w + begin * size, end - begin, NULL, &weights,
                        part, stride, k > 0);
            w += stride / HALF * size;
        }
        add_bias(m, bias, begin * HALF, end * HALF, out, stride);
    }
    _tile_release();
}
#else
const int64_t hf_elmo_amx_terms = 0, hf_elmo_amx_depth = 0, hf_elmo_amx_block_rows = 0;
int64_t hf_elmo_amx_one_row = 0;
#endif
"""
)
