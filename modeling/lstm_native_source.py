# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""ELMo's LSTM for CPUs, in C with the vector extensions of GCC and Clang; `lstm_native` compiles and calls it.

One vector code for AVX-512, AVX2 with FMA and 64-bit Arm; for anything else it refuses to compile, as the packed loop
is faster there. Every sum runs over its terms in the same order for any number of rows, so that a sentence gets the
same bits in any company.

Shapes: N words of the batch as `PackedWords` orders them, n sentences (the longest first), D `projection_size`, M
`cell_size`. Gates stand in torch's order: input i, forget f, candidate g, output o.
"""

SOURCE = r"""
#include <stdint.h>
#include <string.h>

// WIDTH: floats in a register. ROWS x 4 sums, a row's number and the weights of a panel fill the registers.
#if defined(__AVX512F__)
#define WIDTH 16
#define ROWS 6
#elif defined(__AVX2__) && defined(__FMA__)
#define WIDTH 8
#define ROWS 3
#elif defined(__aarch64__)
#define WIDTH 4
#define ROWS 6
#else
#error "needs AVX-512, AVX2 with FMA, or 64-bit Arm"
#endif
// Weights are stored in panels of PANEL columns: the 4 gates of WIDTH units, or PANEL outputs of the projection.
#define PANEL (4 * WIDTH)
#define LINES (PANEL * 4 / 64)
// Terms of a sum that are added up in registers: DEPTH rows of a panel, and those to come, stay in the nearest cache.
#define DEPTH 64
// Words whose input product is made at once, at least one step: their gates stay in the second cache.
#define BLOCK_WORDS 128

const int64_t hf_elmo_width = WIDTH, hf_elmo_depth = DEPTH, hf_elmo_block_words = BLOCK_WORDS;

typedef float vec __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef int32_t ints __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
#define INLINE static inline __attribute__((always_inline))
#define SEPARATE static __attribute__((noinline))

INLINE vec load(const float *from) { return *(const vec *)from; }
INLINE void store(float *to, vec values) { *(vec *)to = values; }
INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE vec choose(ints where, vec yes, vec no) { return (vec)((where & (ints)yes) | (~where & (ints)no)); }

// NaN is neither below nor above, and stays.
INLINE vec clamp(vec x, float low, float high)
{
    vec lows = (vec){} + low, highs = (vec){} + high;
    x = choose(x < lows, lows, x);
    return choose(x > highs, highs, x);
}

// exp(x) = scale + scale * result, for x between -87 and 88: scale = 2^n, result = exp(x - n ln 2) - 1.
INLINE vec exp_in_two_parts(vec x, vec *scale)
{
    vec shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: what is behind the point is rounded off
    vec n = shifted - 12582912.0f;
    vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts, the first exact in every product
    // Minimax for (exp(r) - 1 - r) / r^2 on |r| <= ln 2 / 2: 1.3e-8 of exp(r) - 1.
    vec p = r * 1.3946496551e-03f + 8.3666106245e-03f;
    p = p * r + 4.1666281405e-02f;
    p = p * r + 1.6666542794e-01f;
    p = p * r + 5.0000000621e-01f;
    *scale = (vec)(((ints)shifted << 23) + 0x3f800000);  // n stands in the lowest bits
    return p * (r * r) + r;
}

// 1 + exp(-x): sigmoid(x) is its reciprocal.
INLINE vec sigmoid_divisor(vec x)
{
    vec scale, p = exp_in_two_parts(clamp(-x, -87.0f, 88.0f), &scale);
    return scale * p + (scale + 1.0f);
}

// t = exp(2x) - 1, without cancellation near 0: tanh(x) = t / (t + 2). From |x| = 10 on, tanh is 1 in float32.
INLINE vec tanh_numerator(vec x)
{
    vec scale, p = exp_in_two_parts(clamp(x + x, -20.0f, 20.0f), &scale);
    return scale * p + (scale - 1.0f);
}

INLINE vec times_sigmoid(vec x, vec gate) { return x / sigmoid_divisor(gate); }

INLINE vec tanh_times_sigmoid(vec x, vec gate)
{
    vec t = tanh_numerator(x);
    return t / (sigmoid_divisor(gate) * (t + 2.0f));
}

// Weights that are read once are asked for so many bytes ahead, into the very nearest cache.
#define NEAR 4096

// Row `k` of weights of `depth` rows of LINES lines, at `w`, is being read: asks for the `lines` first lines of row `k` of
// `next`; or, if they are ALL_NEAR, for the row that comes NEAR bytes later, of `next` if these weights end before.
#define ALL_NEAR (-1)
INLINE void ask_for(int lines, int64_t k, int64_t depth, const void *w, const char *next)
{
    const int64_t left = (depth - k) * LINES * 64;
    if (lines == ALL_NEAR) {
        const char *ahead = left > NEAR ? (const char *)w + NEAR : next + (NEAR - left);
        for (int line = 0; line < LINES; line++)
            __builtin_prefetch(ahead + 64 * line, 0, 3);
    } else
        for (int line = 0; line < lines; line++)
            __builtin_prefetch(next + (k * LINES + line) * 64, 0, 2);
}

// out (rows, PANEL) = or += a (rows, depth) times w (depth, PANEL); asks for `lines` lines of each row of `next`.
INLINE void tile(const int rows, const float *a, int64_t stride, const float *w, int64_t depth, float *out,
                 int64_t out_stride, int add, const char *next, int lines)
{
    vec sums[ROWS][4];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++)
            sums[r][q] = (vec){};
    for (int64_t k = 0; k < depth; k++, w += PANEL) {
        ask_for(lines, k, depth, w, next);
        vec w0 = load(w), w1 = load(w + WIDTH), w2 = load(w + 2 * WIDTH), w3 = load(w + 3 * WIDTH);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            float x = a[r * stride + k];
            sums[r][0] += x * w0;
            sums[r][1] += x * w1;
            sums[r][2] += x * w2;
            sums[r][3] += x * w3;
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++) {
            float *to = out + r * out_stride + q * WIDTH;
            if (add)
                sums[r][q] += load(to);
            store(to, sums[r][q]);
        }
}

// A function `name`: the same for n rows, in groups as equal as possible. `next` is what comes after w.
#if ROWS > 3
#define MORE_ROWS(tile, ...) \
    case 3: tile(3, __VA_ARGS__); break; \
    case 4: tile(4, __VA_ARGS__); break; \
    case 5: tile(5, __VA_ARGS__); break;
#else
#define MORE_ROWS(tile, ...)
#endif
#define CALL_TILE(tile, rows, ...) \
    switch (rows) { \
    case 1: tile(1, __VA_ARGS__); break; \
    case 2: tile(2, __VA_ARGS__); break; \
    MORE_ROWS(tile, __VA_ARGS__) \
    default: tile(ROWS, __VA_ARGS__); \
    }
// The first groups ask for what comes next, each for a part of it.
#define DEFINE_PRODUCT(name, tile, row_type, weight_type, sum_type) \
    SEPARATE void name(int64_t n, const row_type *a, int64_t stride, const weight_type *w, int64_t depth, \
                       sum_type *out, int64_t out_stride, int add, const void *next) \
    { \
        const int64_t groups = (n + ROWS - 1) / ROWS, share = (LINES + groups - 1) / groups; \
        for (int64_t g = 0, done = 0; g < groups; g++) { \
            const int rows = (n - done) / (groups - g); \
            const char *ahead = (const char *)next + g * share * 64; \
            CALL_TILE(tile, rows, a + done * stride, stride, w, depth, out + done * out_stride, out_stride, add, \
                      ahead, groups == 1 ? ALL_NEAR : g * share < LINES ? share : 0) \
            done += rows; \
        } \
    }
DEFINE_PRODUCT(product, tile, float, float, float)

// A panel of `depth` rows, times a's n rows, DEPTH of them at a time; `next` is the panel that comes after it.
INLINE void panel_product(int64_t n, const float *a, int64_t stride, const float *w, int64_t depth, float *out,
                          int add, const float *next)
{
    for (int64_t k = 0; k < depth; k += DEPTH) {
        const float *part = w + k * PANEL;
        product(n, a + k, stride, part, least(depth - k, DEPTH), out, PANEL, add || k,
                k + DEPTH < depth ? part + DEPTH * PANEL : next);
    }
}

// From the summed gates (n, PANEL) of WIDTH units to their cells and hidden numbers, in rows of `stride`.
SEPARATE void cells(int64_t n, const float *sums, const float *bias, float *c, float *hidden, int64_t stride,
                    float clip)
{
    for (int64_t r = 0; r < n; r++, sums += PANEL, c += stride, hidden += stride) {
        vec i = load(sums) + load(bias);
        vec f = load(sums + WIDTH) + load(bias + WIDTH);
        vec g = load(sums + 2 * WIDTH) + load(bias + 2 * WIDTH);
        vec o = load(sums + 3 * WIDTH) + load(bias + 3 * WIDTH);
        vec cell = clamp(times_sigmoid(load(c), f) + tanh_times_sigmoid(g, i), -clip, clip);
        store(c, cell);
        store(hidden, tanh_times_sigmoid(cell, o));
    }
}

// The words of which steps are made at once: the step after the last one, and how many they are.
INLINE int64_t end_of_block(const int64_t *alive, int64_t step, int64_t steps, int64_t *rows)
{
    *rows = alive[step++];
    while (step < steps && *rows + alive[step] <= BLOCK_WORDS)
        *rows += alive[step++];
    return step;
}

// The first D numbers of n rows, none beyond the clip.
INLINE void clip_rows(int64_t n, const float *from, int64_t stride, float *to, int64_t D, float clip)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t k = 0; k < D; k++) {
            float x = from[r * stride + k];
            x = x < -clip ? -clip : x;
            to[r * D + k] = x > clip ? clip : x;
        }
}

// out (n, columns from `begin` to before `end`) += bias
INLINE void add_bias(int64_t n, const float *bias, int64_t begin, int64_t end, float *out, int64_t stride)
{
    for (int64_t r = 0; r < n; r++)
        for (int64_t o = begin; o < end; o += WIDTH)
            store(out + r * stride + o, load(out + r * stride + o) + load(bias + o));
}

// One direction over packed words. M' is M rounded up to whole panels (WIDTH units), D' is D (PANEL outputs).
void hf_elmo_lstm(
    const float *words,        // (N, D)
    const float *weight_ih,    // (M' / WIDTH, D, PANEL)
    const float *weight_hh,    // (M' / WIDTH, D, PANEL)
    const float *bias,         // (M' / WIDTH, PANEL)
    const float *weight_hr,    // for every DEPTH of M, at the end fewer: (D' / PANEL, DEPTH, PANEL); or NULL
    const float *h,            // (n, D) before the first word
    float *c,                  // (n, M') before the first word; after it each sentence's last
    float *hidden,             // (n, M') room
    float *gates,              // (words of a block, 4 M') room
    float *projected,          // (n, D') room
    float *outputs,            // (N, D)
    const int64_t *alive,      // (steps,) sentences that have a word at each step
    int64_t steps, int64_t D, int64_t M, float cell_clip, float proj_clip)
{
    const int64_t panels = (M + WIDTH - 1) / WIDTH, stride = panels * WIDTH;
    const int64_t out_panels = (D + PANEL - 1) / PANEL, out_stride = out_panels * PANEL;
    for (int64_t step = 0; step < steps;) {
        int64_t rows, end = end_of_block(alive, step, steps, &rows);
        for (int64_t p = 0; p < panels; p++) {
            const float *w = weight_ih + p * D * PANEL;
            panel_product(rows, words, D, w, D, gates + p * rows * PANEL, 0, w + D * PANEL);
        }
        words += rows * D;
        for (int64_t row = 0; step < end; row += alive[step++]) {
            const int64_t n = alive[step];
            // There and back again: each step begins with the panels that the last one left in the cache.
            const int64_t onward = step % 2 ? -1 : 1;
            for (int64_t turn = 0, p = onward > 0 ? 0 : panels - 1; turn < panels; turn++, p += onward) {
                float *sums = gates + (p * rows + row) * PANEL;
                const float *w = weight_hh + p * D * PANEL, *next = w + onward * D * PANEL;
                panel_product(n, h, D, w, D, sums, 1, turn + 1 < panels ? next : weight_hr);
                cells(n, sums, bias + p * PANEL, c + p * WIDTH, hidden + p * WIDTH, stride, cell_clip);
            }
            for (int64_t k = 0; weight_hr && k < M; k += DEPTH)
                for (int64_t p = 0; p < out_panels; p++) {
                    const int64_t depth = least(M - k, DEPTH);
                    const float *w = weight_hr + k * out_stride + p * depth * PANEL;
                    product(n, hidden + k, stride, w, depth, projected + p * PANEL, out_stride, k > 0,
                            w + depth * PANEL);
                }
            if (weight_hr)
                clip_rows(n, projected, out_stride, outputs, D, proj_clip);
            else
                clip_rows(n, hidden, stride, outputs, D, __builtin_inff());
            h = outputs;
            outputs += n * D;
        }
    }
}

// out (n, O') = rows (n, I) times w, plus bias; O' is O rounded up to whole panels.
void hf_elmo_linear(
    const float *rows,         // (n, I)
    const float *weight,       // (O' / PANEL, I, PANEL)
    const float *bias,         // (O',)
    float *out,                // (n, O')
    int64_t n, int64_t I, int64_t O)
{
    const int64_t panels = (O + PANEL - 1) / PANEL, stride = panels * PANEL;
    for (int64_t m; n > 0; n -= m, rows += m * I, out += m * stride) {
        m = least(n, BLOCK_WORDS);  // rows that stay in the second cache
        for (int64_t p = 0; p < panels; p++)
            for (int64_t k = 0; k < I; k += DEPTH) {
                const float *w = weight + (p * I + k) * PANEL;
                product(m, rows + k, I, w, least(I - k, DEPTH), out + p * PANEL, stride, k > 0, w + DEPTH * PANEL);
            }
        add_bias(m, bias, 0, stride, out, stride);
    }
}

// The largest of each filter's sums over all windows of `span` characters of a word, plus bias.
void hf_elmo_convolution(
    const float *embedded,     // (n, K, E)
    const float *weight,       // (F' / PANEL, span * E, PANEL), F' is F rounded up to whole panels
    const float *bias,         // (F',)
    float *sums,               // (K, PANEL) room
    float *out,                // (n, F')
    int64_t n, int64_t K, int64_t E, int64_t span, int64_t F)
{
    const int64_t panels = (F + PANEL - 1) / PANEL, stride = panels * PANEL, depth = span * E;
    for (int64_t p = 0; p < panels; p++)
        for (int64_t word = 0; word < n; word++) {
            // A window is E numbers behind the one before: no copies are needed.
            const float *w = weight + p * depth * PANEL, *windows = embedded + word * K * E;
            panel_product(K - span + 1, windows, E, w, depth, sums, 0, w);
            for (int64_t q = 0; q < PANEL; q += WIDTH) {
                vec largest = load(sums + q);
                for (int64_t r = 1; r <= K - span; r++) {
                    vec x = load(sums + r * PANEL + q);
                    largest = choose((x > largest) | (x != x), x, largest);  // NaN stays
                }
                store(out + word * stride + p * PANEL + q, largest + load(bias + p * PANEL + q));
            }
        }
}

// The activations alone, for tests: x, gate and out of `count` numbers, a multiple of WIDTH.
void hf_elmo_times_sigmoid(const float *x, const float *gate, float *out, int64_t count)
{
    for (int64_t k = 0; k < count; k += WIDTH)
        store(out + k, times_sigmoid(load(x + k), load(gate + k)));
}

void hf_elmo_tanh_times_sigmoid(const float *x, const float *gate, float *out, int64_t count)
{
    for (int64_t k = 0; k < count; k += WIDTH)
        store(out + k, tanh_times_sigmoid(load(x + k), load(gate + k)));
}
"""
