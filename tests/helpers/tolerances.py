# Copyright 2026 The hf_elmo authors. Licensed under the Apache License, Version 2.0.
"""The one table of tolerances: (quantity, dtype) -> largest absolute difference, with its origin."""

TOLERANCES = {
    # AllenNLP and bilm-tf computed their fixtures in float32; they differ from float64 by up to 1.2e-6.
    ("parity", "float32"): 5e-6,
    # A gradient of a weight is a sum whose size is not bounded; relative to its largest number, where that is above
    # 12. AllenNLP's own float32 gradients are as far from float64.
    ("gradient_relative", "float32"): 4e-7,
    # Against an independent NumPy forward pass in float64: rounding of another order of summation only.
    ("parity", "float64"): 1e-9,
    # One sentence in other company: the matrix products round differently with their size.
    ("batch_invariance", "float32"): 5e-6,
    # 1 added to a bias of about 2 in float32 and subtracted again: two roundings of half a unit (1.2e-7 each).
    ("forget_bias_export", "float32"): 2.4e-7,
    # torch.compile and torch.export may fuse and reorder.
    ("compiled", "float32"): 1e-5,
    # One product of the word cache against the same product inside a sentence.
    ("word_cache", "float32"): 5e-6,
    # Half precision keeps 11 (float16) and 8 (bfloat16) bits; hidden states reach 6 in magnitude.
    ("dtype", "float16"): 3e-2,
    ("dtype", "bfloat16"): 2e-1,
    # Vectors below 2 rounded to float16 at the end (half a unit there: 2^-11 = 4.9e-4), plus batch_invariance.
    ("half_file_against_float32", "float16"): 5e-4,
    # Vectors below 0.125 computed twice and both rounded to float16: one unit there, 2^-14 = 6.1e-5.
    ("half_file_against_half", "float16"): 6.2e-5,
    # Triton kernels, relative to the largest value: sums in float32, but gates, outputs and their gradients are rounded
    # at every step (to 11 and 8 bits; Triton's interpreter cuts the bits of bfloat16 off instead of rounding).
    ("triton", "float16"): 2e-3,
    ("triton", "bfloat16"): 4e-2,
    # The losses over a large vocabulary: another order of summation, for numbers of magnitude 10 and below.
    ("softmax_loss", "float64"): 1e-12,
    ("softmax_loss", "float32"): 2e-5,
    # Gradients of magnitude 1e4, in float64.
    ("softmax_loss_large_logits", "float64"): 1e-8,
    # 2,000 gradients summed in float32 and rounded once to 8 bits.
    ("softmax_loss_sum", "bfloat16"): 1e-2,
    # TensorFlow's float32 loss and counts, and ours in float64: log((k + 2) / (k + 1)) loses digits there.
    ("recorded_softmax_loss", "float32"): 1e-6,
    # bilm-tf's six updates: it computes in float32, so float64 is as far from it as its own rounding (5e-7 seen).
    ("recorded_training", "float32"): 1e-5,
    ("recorded_training", "float64"): 1e-6,
    # Weights of magnitude 1 after one update: gradients summed in two parts instead of one.
    ("updates_in_parts", "float32"): 1e-6,
    # Log-probabilities of magnitude 10 and below, of a few words: another order of summation.
    ("log_probability", "float64"): 1e-11,
    ("log_probability", "float32"): 2e-5,
    # The definition's 1 - (1 - P)^tries loses digits, and so does 1 / V against log((V + 1) / V) for the rarest word.
    ("sampled_definition", "float64"): 1e-10,
    ("rare_count_relative", "float64"): 1e-5,
    # Whole models on a GPU, ‖out - right‖ / ‖right‖: float32 without TF32, which would be at 3e-4. With clips, a rounding
    # that carries one of 100,000 cells over its bound changes that cell's gradient by all of it.
    ("gpu_relative", "float32"): 1e-5,
    ("gpu_gradient_relative", "float32"): 3e-5,
    ("gpu_clipped_gradient_relative", "float32"): 1e-3,
    # 8 bits in every gate and output of every step, two layers.
    ("gpu_relative", "bfloat16"): 2e-2,
    ("gpu_gradient_relative", "bfloat16"): 5e-2,
    # Sums over 5,000 words on a GPU; bfloat16 rounds probabilities before the products.
    ("softmax_loss_on_gpu", "float32"): 1e-4,
    ("softmax_loss_on_gpu_gradient_relative", "float32"): 1e-4,
    ("softmax_loss_on_gpu_gradient_relative", "bfloat16"): 2**-7,
    # Sums over 18 filters and 27 characters in another order.
    ("char_cnn", "float64"): 1e-12,
    # Weight gradients are sums over words and windows; relative to the largest number of each, where that is above 1.
    ("char_cnn_gradient_relative", "float32"): 2e-6,
    # Largest number / 127 and times 127 again: two roundings.
    ("int8_scale_relative", "float32"): 1.2e-7,
    # 8-bit weights and rows: least allowed cosine to the float model's vectors, on average and for a single word.
    ("int8_cosine_mean", "float32"): 0.999,
    ("int8_cosine_least", "float32"): 0.99,
    # A few rows or hidden numbers rounded to the neighbouring whole number of 127, in models of about 30 units.
    ("int8_rounded_otherwise", "float32"): 2e-2,
    # Sums over all label sequences of six words, in two orders.
    ("crf", "float64"): 1e-12,
    # A head over vectors below 10: a BiLSTM and two products of up to 400 numbers.
    ("head", "float32"): 1e-5,
    ("head", "float64"): 1e-12,
}
