# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The second part of the C source: LSTM and linear layers with 8-bit weights, for processors with VNNI.

Weights are scaled by output, rows one by one when they come, and sums are whole numbers, as in `int8`. Shapes as in
`lstm_native_source`.
"""

INT8_SOURCE = r"""
// The same with 8-bit weights and rows: four numbers a column are multiplied and summed by one instruction.
#if defined(__AVX512VNNI__) && WIDTH == 16
#include <immintrin.h>
#define DOT(sums, x, w) (ints)_mm512_dpbusd_epi32((__m512i)(sums), (__m512i)(x), (__m512i)(w))
#elif defined(__AVXVNNI__) && WIDTH == 8
#include <immintrin.h>
#define DOT(sums, x, w) (ints)_mm256_dpbusd_avx_epi32((__m256i)(sums), (__m256i)(x), (__m256i)(w))
#endif

#ifdef DOT
#define DEPTH_INT8 (4 * DEPTH)
// Rows come as round(x / scale) + OFFSET, from 1 to 255.
#define OFFSET 128
#define LARGEST 127.0f
const int64_t hf_elmo_depth_int8 = DEPTH_INT8;

INLINE ints load_ints(const int32_t *from) { return *(const ints *)from; }
INLINE vec to_float(ints x) { return __builtin_convertvector(x, vec); }

// As `tile`, with whole numbers; w (depth / 4, PANEL, 4) and depth a multiple of 4.
INLINE void tile_int8(const int rows, const uint8_t *a, int64_t stride, const int8_t *w, int64_t depth, int32_t *out,
                      int64_t out_stride, int add, const char *next, int lines)
{
    ints sums[ROWS][4];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++)
            sums[r][q] = (ints){};
    for (int64_t k = 0; k < depth; k += 4, w += 4 * PANEL) {
        ask_for(lines, k / 4, depth / 4, w, next);
        const int32_t *four = (const int32_t *)w;
        ints w0 = load_ints(four), w1 = load_ints(four + WIDTH);
        ints w2 = load_ints(four + 2 * WIDTH), w3 = load_ints(four + 3 * WIDTH);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            int32_t numbers;
            memcpy(&numbers, a + r * stride + k, 4);
            ints x = (ints){} + numbers;
            sums[r][0] = DOT(sums[r][0], x, w0);
            sums[r][1] = DOT(sums[r][1], x, w1);
            sums[r][2] = DOT(sums[r][2], x, w2);
            sums[r][3] = DOT(sums[r][3], x, w3);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++) {
            int32_t *to = out + r * out_stride + q * WIDTH;
            if (add)
                sums[r][q] += load_ints(to);
            *(ints *)to = sums[r][q];
        }
}

DEFINE_PRODUCT(product_int8, tile_int8, uint8_t, int8_t, int32_t)

INLINE void panel_product_int8(int64_t n, const uint8_t *a, int64_t stride, const int8_t *w, int64_t depth,
                               int32_t *out, const int8_t *next)
{
    for (int64_t k = 0; k < depth; k += DEPTH_INT8) {
        const int8_t *part = w + k * PANEL;
        product_int8(n, a + k, stride, part, least(depth - k, DEPTH_INT8), out, PANEL, k > 0,
                     k + DEPTH_INT8 < depth ? part + DEPTH_INT8 * PANEL : next);
    }
}

// Rows (n, D) -> whole numbers in rows of `stride`, what is beyond D left as it is, and the scale of each row; 1 where
// a row is not finite.
SEPARATE int quantize_rows(int64_t n, const float *rows, int64_t D, uint8_t *values, int64_t stride, float *scales)
{
    int strange = 0;
    for (int64_t r = 0; r < n; r++, rows += D, values += stride) {
        int32_t largest = 0;  // the bits of numbers that are not negative stand in the same order as the numbers
        for (int64_t k = 0; k < D; k++) {
            int32_t bits;
            memcpy(&bits, rows + k, 4);
            bits &= 0x7fffffff;
            largest = bits > largest ? bits : largest;
        }
        strange |= largest >= 0x7f800000;
        float scale;
        memcpy(&scale, &largest, 4);
        scale /= LARGEST;
        scale = scale < 1.17549435e-38f ? 1.17549435e-38f : scale;  // a row of zeros
        for (int64_t k = 0; k < D; k++)
            values[k] = (int32_t)__builtin_rintf(rows[k] / scale + OFFSET);
        scales[r] = scale;
    }
    return strange;
}

// A direction's matrix: panels as above, and for each column its scale and OFFSET times the sum of its numbers.
typedef struct {
    const int8_t *panels;
    const float *scale;
    const int32_t *excess;
} matrix;

// sums (PANEL,) of whole numbers -> what they stand for, times the scale of their row
INLINE vec scaled(const int32_t *sums, const matrix *m, int64_t column, float row_scale)
{
    ints exact = load_ints(sums) - load_ints(m->excess + column);
    return to_float(exact) * load(m->scale + column) * row_scale;
}

// As `hf_elmo_lstm`; 1 where a row or a cell is not finite, which 8 bits cannot hold.
int hf_elmo_lstm_int8(
    const float *words,        // (N, D)
    const matrix *weight_ih,   // (M' / WIDTH, D4 / 4, PANEL, 4); D4 is D rounded up to a multiple of 4
    const matrix *weight_hh,   // (M' / WIDTH, D4 / 4, PANEL, 4)
    const float *bias,         // (M' / WIDTH, PANEL)
    const matrix *weight_hr,   // for every DEPTH_INT8 of M': (D' / PANEL, DEPTH_INT8 / 4, PANEL, 4); or NULL
    const float *h,            // (n, D) before the first word
    float *c,                  // (n, M') before the first word; after it each sentence's last
    float *hidden,             // (n, M') room
    uint8_t *hidden_int8,      // (n, M') room
    uint8_t *rows_int8,        // (the most rows at once, D4) room
    float *row_scales,         // (words of a block,) room
    float *h_scales,           // (n,) room
    int32_t *gates,            // (words of a block, 4 M') room
    int32_t *recurrent,        // (n, PANEL) room
    int32_t *projected,        // (n, D') room
    float *outputs,            // (N, D)
    const int64_t *alive,      // (steps,) sentences that have a word at each step
    int64_t steps, int64_t D, int64_t M, float cell_clip, float proj_clip)
{
    const int64_t panels = (M + WIDTH - 1) / WIDTH, stride = panels * WIDTH, D4 = (D + 3) / 4 * 4;
    const int64_t out_panels = (D + PANEL - 1) / PANEL, out_stride = out_panels * PANEL;
    int strange = 0;
    for (int64_t step = 0; step < steps;) {
        int64_t rows, end = end_of_block(alive, step, steps, &rows);
        strange |= quantize_rows(rows, words, D, rows_int8, D4, row_scales);
        for (int64_t p = 0; p < panels; p++) {
            const int8_t *w = weight_ih->panels + p * D4 * PANEL;
            panel_product_int8(rows, rows_int8, D4, w, D4, gates + p * rows * PANEL, w + D4 * PANEL);
        }
        words += rows * D;
        for (int64_t row = 0; step < end; row += alive[step++]) {
            const int64_t n = alive[step], onward = step % 2 ? -1 : 1;
            strange |= quantize_rows(n, h, D, rows_int8, D4, h_scales);
            for (int64_t turn = 0, p = onward > 0 ? 0 : panels - 1; turn < panels; turn++, p += onward) {
                int32_t *from_input = gates + (p * rows + row) * PANEL;
                const int8_t *w = weight_hh->panels + p * D4 * PANEL, *next = w + onward * D4 * PANEL;
                panel_product_int8(n, rows_int8, D4, w, D4, recurrent,
                                   turn + 1 < panels || !weight_hr ? next : weight_hr->panels);
                float *sums = (float *)from_input;  // in their place
                for (int64_t r = 0; r < n; r++)
                    for (int64_t q = 0; q < PANEL; q += WIDTH) {
                        const int64_t at = r * PANEL + q, column = p * PANEL + q;
                        vec x = scaled(from_input + at, weight_ih, column, row_scales[row + r]);
                        store(sums + at, x + scaled(recurrent + at, weight_hh, column, h_scales[r]));
                    }
                cells(n, sums, bias + p * PANEL, c + p * WIDTH, hidden + p * WIDTH, stride, cell_clip);
            }
            if (weight_hr) {
                // No number of `hidden` is above 1: all rows have the scale 1 / LARGEST.
                for (int64_t k = 0; k < n * stride; k++) {
                    strange |= hidden[k] != hidden[k];
                    hidden_int8[k] = (int32_t)__builtin_rintf(hidden[k] * LARGEST + OFFSET);
                }
                for (int64_t k = 0; k < stride; k += DEPTH_INT8)
                    for (int64_t p = 0; p < out_panels; p++) {
                        const int64_t depth = least(stride - k, DEPTH_INT8);
                        const int8_t *w = weight_hr->panels + k * out_stride + p * depth * PANEL;
                        product_int8(n, hidden_int8 + k, stride, w, depth, projected + p * PANEL, out_stride, k > 0,
                                     w + depth * PANEL);
                    }
            }
            for (int64_t r = 0; r < n; r++) {
                if (!weight_hr)
                    memcpy(outputs + r * D, hidden + r * stride, D * sizeof(float));
                else
                    for (int64_t k = 0; k < D; k++) {
                        float x = (projected[r * out_stride + k] - weight_hr->excess[k]) * weight_hr->scale[k] / LARGEST;
                        x = x < -proj_clip ? -proj_clip : x;
                        outputs[r * D + k] = x > proj_clip ? proj_clip : x;
                    }
            }
            h = outputs;
            outputs += n * D;
        }
    }
    return strange;
}

// As `hf_elmo_linear`; 1 where a row has a number that is not finite, which 8 bits cannot hold.
int hf_elmo_linear_int8(
    const float *rows,         // (n, I)
    const matrix *weight,      // (O' / PANEL, I4 / 4, PANEL, 4); I4 is I rounded up to a multiple of 4
    const float *bias,         // (O',)
    uint8_t *rows_int8,        // (n or BLOCK_WORDS, I4) room
    float *scales,             // (n or BLOCK_WORDS,) room
    int32_t *sums,             // (n or BLOCK_WORDS, PANEL) room
    float *out,                // (n, O')
    int64_t n, int64_t I, int64_t O)
{
    const int64_t panels = (O + PANEL - 1) / PANEL, stride = panels * PANEL, I4 = (I + 3) / 4 * 4;
    int strange = 0;
    for (int64_t m; n > 0; n -= m, rows += m * I, out += m * stride) {
        m = least(n, BLOCK_WORDS);
        strange |= quantize_rows(m, rows, I, rows_int8, I4, scales);
        for (int64_t p = 0; p < panels; p++) {
            const int8_t *w = weight->panels + p * I4 * PANEL;
            panel_product_int8(m, rows_int8, I4, w, I4, sums, w + I4 * PANEL);
            for (int64_t r = 0; r < m; r++)
                for (int64_t q = 0; q < PANEL; q += WIDTH) {
                    const int64_t o = p * PANEL + q;
                    store(out + r * stride + o, scaled(sums + r * PANEL + q, weight, o, scales[r]) + load(bias + o));
                }
        }
    }
    return strange;
}
#else
const int64_t hf_elmo_depth_int8 = 0;  // there is no such kernel
#endif
"""
