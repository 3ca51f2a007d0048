/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* tflite_schema - the numbers of TensorFlow Lite's schema that we read or write
 *
 * Fields by table, in the schema's order, which is what numbers them; a union counts twice. Private
 * to src/exchange and its tests.
 * Source: schema.fbs, version 3 (3a to 3d add fields), of google-ai-edge/LiteRT. */

#define TFLITE_IDENTIFIER "TFL3"

enum { TFLITE_SCHEMA_VERSION = 3 };

enum tflite_model_field {
    TFLITE_MODEL_VERSION = 0,
    TFLITE_MODEL_OPERATOR_CODES = 1,
    TFLITE_MODEL_SUBGRAPHS = 2,
    TFLITE_MODEL_DESCRIPTION = 3,
    TFLITE_MODEL_BUFFERS = 4,
    TFLITE_MODEL_METADATA = 6,
    TFLITE_MODEL_SIGNATURE_DEFS = 7,
};

enum tflite_operator_code_field {
    TFLITE_CODE_OLD_BUILTIN = 0, /* a byte: 127 for all that do not fit in it */
    TFLITE_CODE_CUSTOM = 1,
    TFLITE_CODE_VERSION = 2, /* 1 when absent */
    TFLITE_CODE_BUILTIN = 3, /* since 3a; the larger of the two is meant */
};

enum tflite_subgraph_field {
    TFLITE_SUBGRAPH_TENSORS = 0,
    TFLITE_SUBGRAPH_INPUTS = 1,
    TFLITE_SUBGRAPH_OUTPUTS = 2,
    TFLITE_SUBGRAPH_OPERATORS = 3,
    TFLITE_SUBGRAPH_NAME = 4,
};

enum tflite_tensor_field {
    TFLITE_TENSOR_SHAPE = 0,
    TFLITE_TENSOR_TYPE = 1,
    TFLITE_TENSOR_BUFFER = 2, /* 0: none */
    TFLITE_TENSOR_NAME = 3,
    TFLITE_TENSOR_QUANTIZATION = 4,
    TFLITE_TENSOR_SPARSITY = 6,
    TFLITE_TENSOR_SHAPE_SIGNATURE = 7, /* the shape with -1 for what is known at run time only */
    TFLITE_TENSOR_HAS_RANK = 8,
    TFLITE_TENSOR_EXTERNAL_BUFFER = 10,
};

enum tflite_buffer_field {
    TFLITE_BUFFER_DATA = 0,
    TFLITE_BUFFER_OFFSET = 1, /* since 3c: of data behind the FlatBuffer, when over 1 */
    TFLITE_BUFFER_SIZE = 2,
};

enum tflite_quantization_field {
    TFLITE_QUANTIZATION_SCALE = 2,
    TFLITE_QUANTIZATION_ZERO_POINT = 3,
    TFLITE_QUANTIZATION_DIMENSION = 6,
};

enum tflite_operator_field {
    TFLITE_OPERATOR_CODE = 0, /* index into the model's operator codes */
    TFLITE_OPERATOR_INPUTS = 1,
    TFLITE_OPERATOR_OUTPUTS = 2,
    TFLITE_OPERATOR_OPTIONS_TYPE = 3,
    TFLITE_OPERATOR_OPTIONS = 4,
};

enum tflite_fully_connected_field {
    TFLITE_FULLY_CONNECTED_ACTIVATION = 0,
    TFLITE_FULLY_CONNECTED_WEIGHTS_FORMAT = 1, /* 0: [out][in] as it stands */
};

enum tflite_reducer_field { TFLITE_REDUCER_KEEP_DIMS = 0 };
enum tflite_cast_field { TFLITE_CAST_FROM = 0, TFLITE_CAST_TO = 1 };
enum tflite_metadata_field { TFLITE_METADATA_NAME = 0, TFLITE_METADATA_BUFFER = 1 };
enum tflite_tensor_map_field { TFLITE_TENSOR_MAP_NAME = 0, TFLITE_TENSOR_MAP_INDEX = 1 };

enum tflite_signature_field {
    TFLITE_SIGNATURE_INPUTS = 0,
    TFLITE_SIGNATURE_OUTPUTS = 1,
    TFLITE_SIGNATURE_KEY = 2,
    TFLITE_SIGNATURE_SUBGRAPH = 4,
};

enum tflite_type {
    TFLITE_FLOAT32 = 0,
    TFLITE_FLOAT16 = 1,
    TFLITE_INT32 = 2,
    TFLITE_UINT8 = 3,
    TFLITE_BOOL = 6,
    TFLITE_INT8 = 9,
};

enum tflite_fused {
    TFLITE_FUSED_NONE = 0,
    TFLITE_FUSED_RELU = 1,
    TFLITE_FUSED_RELU_N1_TO_1 = 2,
    TFLITE_FUSED_RELU6 = 3,
    TFLITE_FUSED_TANH = 4,
    TFLITE_FUSED_SIGN_BIT = 5,
};

/* Types in the union of options; those of operators without options of their own are left out of
 * the file, as the format allows. */
enum tflite_options {
    TFLITE_OPTIONS_NONE = 0,
    TFLITE_OPTIONS_FULLY_CONNECTED = 8,
    TFLITE_OPTIONS_ADD = 11,
    TFLITE_OPTIONS_MUL = 21,
    TFLITE_OPTIONS_REDUCER = 27,
    TFLITE_OPTIONS_SUB = 28,
    TFLITE_OPTIONS_DIV = 29,
    TFLITE_OPTIONS_CAST = 37,
    TFLITE_OPTIONS_DEQUANTIZE = 38,
    TFLITE_OPTIONS_MAXIMUM_MINIMUM = 39,
    TFLITE_OPTIONS_GREATER_EQUAL = 45,
    TFLITE_OPTIONS_ABS = 78,
    TFLITE_OPTIONS_QUANTIZE = 89,
};

enum tflite_op {
    TFLITE_ADD = 0,
    TFLITE_DEQUANTIZE = 6,
    TFLITE_FULLY_CONNECTED = 9,
    TFLITE_LOGISTIC = 14,
    TFLITE_MUL = 18,
    TFLITE_RELU = 19,
    TFLITE_TANH = 28,
    TFLITE_CUSTOM = 32,
    TFLITE_SUB = 41,
    TFLITE_DIV = 42,
    TFLITE_CAST = 53,
    TFLITE_MAXIMUM = 55,
    TFLITE_MINIMUM = 57,
    TFLITE_GREATER_EQUAL = 62,
    TFLITE_SUM = 74,
    TFLITE_ABS = 101,
    TFLITE_QUANTIZE = 114,
};

/* "FULLY_CONNECTED": the name of a builtin operator; NULL for a number that the schema did not have
 * when this was written. */
const char *tflite_op_name(unsigned op);
/* "RELU6"; NULL for an unknown one. */
const char *tflite_fused_name(unsigned fused);
