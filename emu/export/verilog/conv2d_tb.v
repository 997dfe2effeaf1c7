// Test bench of one integer convolution: accumulate, rescale, clamp, compare.
//
// It computes the layer from the files of `emu compile --to vectors` by the textbook
// definition and compares every accumulator and every output word. A hardware bench
// puts its own unit where `compute` stands.
//
//   iverilog -g2012 -I DIR/LAYER -o bench DIR/conv2d_tb.v
//   vvp bench +dir=DIR/LAYER
//
// It ends with "PASS", or with $fatal and the words that differ. For a layer that it
// does not know, layer.vh says so and it ends with that line alone.
`include "layer.vh"

`ifdef EMU_BENCH_REFUSES
module conv2d_tb;
  initial $fatal(1, `EMU_BENCH_REFUSES);
endmodule
`else
module conv2d_tb;
  localparam N = `EMU_INPUT_DIM_0, H = `EMU_INPUT_DIM_1, W = `EMU_INPUT_DIM_2;
  localparam CI = `EMU_INPUT_DIM_3, CO = `EMU_WEIGHT_DIM_3;
  localparam KH = `EMU_WEIGHT_DIM_0, KW = `EMU_WEIGHT_DIM_1;
  localparam CIG = `EMU_WEIGHT_DIM_2;  // input channels that one output sees
  localparam OH = `EMU_EXPECTED_DIM_1, OW = `EMU_EXPECTED_DIM_2;
  localparam SHOWN = 8;  // differing words that are printed

  reg [`EMU_INPUT_BITS-1:0] image [0:`EMU_INPUT_WORDS-1];
  reg [`EMU_WEIGHT_BITS-1:0] weight [0:`EMU_WEIGHT_WORDS-1];
  reg [`EMU_BIAS_BITS-1:0] bias [0:`EMU_BIAS_WORDS-1];
  reg [`EMU_MULTIPLIER_BITS-1:0] multiplier [0:`EMU_MULTIPLIER_WORDS-1];
  reg [`EMU_SHIFT_BITS-1:0] shift [0:`EMU_SHIFT_WORDS-1];
  reg [`EMU_ACCUMULATOR_BITS-1:0] accumulator [0:`EMU_ACCUMULATOR_WORDS-1];
  reg [`EMU_EXPECTED_BITS-1:0] expected [0:`EMU_EXPECTED_WORDS-1];

  reg [8*1024-1:0] dir;
  integer wrong;

  // A word of so many bits as a number.
  function signed [63:0] number(input [63:0] word, input integer bits, is_signed);
    number = is_signed != 0 && word[bits-1] ? word | (~64'd0 << bits) : word;
  endfunction

  function signed [63:0] limited(input signed [63:0] value, low, high);
    limited = value < low ? low : value > high ? high : value;
  endfunction

  // The register after every product; it wraps because it has no more bits.
  function signed [`EMU_ACCUMULATOR_BITS-1:0] accumulate(input integer n, oy, ox, co);
    integer ky, kx, c, y, x, ci;
    reg signed [63:0] pixel, factor;
    begin
      accumulate = number(bias[co], `EMU_BIAS_BITS, 1);
      for (ky = 0; ky < KH; ky = ky + 1)
        for (kx = 0; kx < KW; kx = kx + 1) begin
          y = oy * `EMU_CONV2D_STRIDE_0 + ky * `EMU_CONV2D_DILATION_0
              - `EMU_CONV2D_PADDING_0_0;
          x = ox * `EMU_CONV2D_STRIDE_1 + kx * `EMU_CONV2D_DILATION_1
              - `EMU_CONV2D_PADDING_1_0;
          // Padding holds the zero point: it adds nothing.
          if (y >= 0 && y < H && x >= 0 && x < W)
            for (c = 0; c < CIG; c = c + 1) begin
              ci = co / (CO / `EMU_CONV2D_GROUPS) * CIG + c;
              pixel = number(image[((n*H + y)*W + x)*CI + ci],
                             `EMU_INPUT_BITS, `EMU_INPUT_SIGNED)
                      - `EMU_CONV2D_X_ZERO_POINT;
              factor = number(weight[((ky*KW + kx)*CIG + c)*CO + co],
                              `EMU_WEIGHT_BITS, `EMU_WEIGHT_SIGNED)
`ifdef EMU_CONV2D_W_ZERO_POINT
                       - `EMU_CONV2D_W_ZERO_POINT
`endif
                       ;
              accumulate = accumulate + pixel * factor;
            end
        end
    end
  endfunction

  // (acc * multiplier + 2**(shift-1)) >> shift, zero point, saturation, clamp.
  function signed [63:0] rescale(
      input signed [`EMU_ACCUMULATOR_BITS-1:0] acc, input integer co);
    reg signed [63:0] value, factor, right;
    begin
      factor = number(multiplier[co % `EMU_MULTIPLIER_WORDS], `EMU_MULTIPLIER_BITS, 1);
      right = number(shift[co % `EMU_SHIFT_WORDS], `EMU_SHIFT_BITS, 1);
      value = acc;
      value = value - `EMU_RESCALE_X_ZERO_POINT;
`ifdef EMU_RESCALE_X_LEFT_SHIFT
      value = value <<< `EMU_RESCALE_X_LEFT_SHIFT;
`endif
      value = value * factor;
      value = (value + (64'sd1 <<< (right - 1))) >>> right;
      value = value + `EMU_RESCALE_ZERO_POINT;
      rescale = `EMU_RESCALE_FORMAT_SIGNED != 0
          ? limited(value, -(64'sd1 <<< (`EMU_RESCALE_FORMAT_BITS - 1)),
                    (64'sd1 <<< (`EMU_RESCALE_FORMAT_BITS - 1)) - 1)
          : limited(value, 0, (64'sd1 <<< `EMU_RESCALE_FORMAT_BITS) - 1);
`ifdef EMU_CLAMP_LOW
      rescale = limited(rescale, `EMU_CLAMP_LOW, `EMU_CLAMP_HIGH);
`endif
    end
  endfunction

  // !== and not !=: a word that no file filled is unknown, and differs too.
  task check(input integer at);
    integer co;
    reg signed [`EMU_ACCUMULATOR_BITS-1:0] acc;
    reg [`EMU_EXPECTED_BITS-1:0] got;
    begin
      co = at % CO;
      acc = accumulate(at / (OH*OW*CO), at / (OW*CO) % OH, at / CO % OW, co);
      got = rescale(acc, co);
      if (acc !== accumulator[at] || got !== expected[at]) begin
        wrong = wrong + 1;
        if (wrong <= SHOWN)
          $display("word %0d: accumulator %h, expected %h; output %h, expected %h",
                   at, acc, accumulator[at], got, expected[at]);
      end
    end
  endtask

  integer at;
  initial begin
    if (!$value$plusargs("dir=%s", dir)) $fatal(1, "expected +dir=FOLDER");
    $readmemh({dir, "/input.hex"}, image);
    $readmemh({dir, "/weight.hex"}, weight);
    $readmemh({dir, "/bias.hex"}, bias);
    $readmemh({dir, "/multiplier.hex"}, multiplier);
    $readmemh({dir, "/shift.hex"}, shift);
    $readmemh({dir, "/accumulator.hex"}, accumulator);
    $readmemh({dir, "/expected.hex"}, expected);
    wrong = 0;
    for (at = 0; at < N*OH*OW*CO; at = at + 1) check(at);
    if (wrong != 0)
      $fatal(1, "FAIL %0d of %0d words differ", wrong, `EMU_EXPECTED_WORDS);
    $display("PASS %0d words", `EMU_EXPECTED_WORDS);
    $finish;
  end
endmodule
`endif
