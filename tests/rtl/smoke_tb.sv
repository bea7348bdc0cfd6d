// A self-checking test bench in the plain Verilog of any simulator: one 3x3 convolution with
// padding, two groups of output channels and 2x2 max pooling, with a memory that stalls, on each
// kind of processing element. Expected values come from plain loops. With NETLIST it runs on a
// synthesized array (of multipliers).
`timescale 1ns / 1ps

module smoke_tb;
  localparam int Lanes = 2;
  localparam int Muls = 3;
  parameter int Pe = ristretto_pkg::PeMultiplier;
  localparam bit Minifloat = (Pe == ristretto_pkg::PeMinifloat);  // e4m3
  localparam int WgtBits = (Pe == ristretto_pkg::PeShifter) ? 4 : 8;
  localparam int AccBits = Minifloat ? 48 : 24;
  localparam int BusBits = 32;
  localparam int Latency = 3;
  localparam int MemBeats = 256;

  // The layer: Size x Size x Channels with a 3x3 kernel and padding 1, then 2x2 pooling.
  localparam int Size = 4;
  localparam int Channels = 3;
  localparam int Outputs = 3;
  localparam int Steps = 9;           // 3 segments of 9 elements in steps of 3
  localparam int InBeats = Size * Size * Channels / 4;
  localparam int WeightAddr = InBeats;
  localparam int BiasBeats = (2 * AccBits + BusBits - 1) / BusBits;
  localparam int BiasBeatsLast = (AccBits + BusBits - 1) / BusBits;
  localparam int StepBeats = (2 * Muls * WgtBits + BusBits - 1) / BusBits;
  localparam int StepBeatsLast = (Muls * WgtBits + BusBits - 1) / BusBits;
  // A full group, and one of a single lane.
  localparam int WeightBeats =
      BiasBeats + StepBeats * Steps + BiasBeatsLast + StepBeatsLast * Steps;
  localparam int OutAddr = WeightAddr + WeightBeats;
  localparam int OutElements = (Size / 2) * (Size / 2) * Outputs;
  // e4m3: a product has twice the 9 places of a number.
  localparam int Shift = (Pe == ristretto_pkg::PeMultiplier) ? 7 : 9;

  logic clk = 1'b0;
  logic rst_n = 1'b1;
  logic prog_we = 1'b0;
  logic [7:0] prog_addr = '0;
  logic [31:0] prog_wdata = '0;
  logic start = 1'b0;
  logic busy, done, rd_valid, wr_valid, mem_ready, rsp_valid, out_valid;
  logic [31:0] rd_addr, wr_addr, wr_data, rsp_data, out_sat, out_ovf;
  logic [15:0] out_desc, rd_desc, wr_desc;
  logic [23:0] out_addr;
  logic [6:0] out_lanes;
  logic [8*Lanes-1:0] out_data;

`ifdef NETLIST
  ristretto_array u_dut (  // as Yosys wrote it, with these parameters built in
`else
  ristretto_array #(
    .Lanes(Lanes),
    .Muls(Muls),
    .ActBits(8),
    .WgtBits(WgtBits),
    .AccBits(AccBits),
    .Pe(Pe),
    .AveragePooling(!Minifloat),
    .ActDepth(64),
    .OutDepth(64),
    .WgtDepth(16),
    .BusBits(BusBits),
    .Outstanding(4),
    .ProgDepth(4)
  ) u_dut (
`endif
    .clk_i(clk),
    .rst_ni(rst_n),
    .prog_we_i(prog_we),
    .prog_addr_i(prog_addr),
    .prog_wdata_i(prog_wdata),
    .start_i(start),
    .n_desc_i(16'd1),
    .busy_o(busy),
    .done_o(done),
    .rd_valid_o(rd_valid),
    .rd_addr_o(rd_addr),
    .wr_valid_o(wr_valid),
    .wr_addr_o(wr_addr),
    .wr_data_o(wr_data),
    .mem_ready_i(mem_ready),
    .rsp_valid_i(rsp_valid),
    .rsp_data_i(rsp_data),
    .obs_out_valid_o(out_valid),
    .obs_out_desc_o(out_desc),
    .obs_out_addr_o(out_addr),
    .obs_out_lanes_o(out_lanes),
    .obs_out_data_o(out_data),
    .obs_out_sat_o(out_sat),
    .obs_out_ovf_o(out_ovf),
    .obs_rd_desc_o(rd_desc),
    .obs_wr_desc_o(wr_desc)
  );

  always #5 clk = !clk;

  // Memory: ready in two cycles of three; answers after Latency cycles.
  logic [BusBits-1:0] memory [MemBeats];
  logic [BusBits:0] on_its_way [Latency];
  int turn = 0;

  assign mem_ready = (turn % 3 != 1);
  assign rsp_valid = on_its_way[Latency-1][BusBits];
  assign rsp_data = on_its_way[Latency-1][BusBits-1:0];

  always @(posedge clk) begin
    turn <= turn + 1;
    for (int i = Latency - 1; i > 0; i = i - 1) on_its_way[i] <= on_its_way[i-1];
    on_its_way[0] <= {rd_valid && mem_ready, memory[rd_addr[7:0]]};
    if (wr_valid && mem_ready) memory[wr_addr[7:0]] <= wr_data;
  end

  // Data: small numbers, or codes of numbers, that follow from their place.
  function automatic int activation(input int e);
    activation = Minifloat ? (e * 37 + 11) % 119 : (e * 37 + 11) % 255 - 127;
  endfunction

  function automatic int weight(input int o, input int k);
    weight = Minifloat ? 40 + (o * 71 + k * 29) % 32 + 128 * ((o + k) % 2)
           : (Pe == ristretto_pkg::PeShifter) ? (o * 71 + k * 29 + 5) % 16
           : (o * 71 + k * 29 + 5) % 200 - 100;
  endfunction

  function automatic int bias(input int o);
    bias = (1000 * o - 700) * (Minifloat ? 512 : 1);
  endfunction

  // Numbers of the codes; of e4m3 as multiples of the smallest, 2^-9.
  function automatic int minifloat(input int code);
    int significand, exponent;
    exponent = (code >> 3) % 16;
    significand = (exponent == 0) ? code % 8 : (8 + code % 8) << (exponent - 1);
    minifloat = (code >= 128) ? -significand : significand;
  endfunction

  function automatic int weight_value(input int code);
    weight_value = Minifloat ? minifloat(code)
                 : (Pe != ristretto_pkg::PeShifter) ? code
                 : (code >= 8) ? -(1 << (code - 8)) : 1 << code;
  endfunction

  // The minifloat next to a sum of products, ties to the larger one; not below zero.
  function automatic int nearest_code(input logic signed [63:0] sum);
    logic signed [63:0] distance, least;
    least = 64'sh7fffffffffffffff;
    for (int code = 0; code < 127; code = code + 1) begin
      distance = sum - (64'(minifloat(code)) <<< 9);
      if (distance < 0) distance = -distance;
      if (distance <= least) begin
        least = distance;
        nearest_code = code;
      end
    end
  endfunction

  function automatic int convolve(input int o, input int cy, input int cx);
    logic signed [63:0] sum;
    int y, x, a;
    sum = 64'(bias(o));
    for (int ky = 0; ky < 3; ky = ky + 1)
      for (int kx = 0; kx < 3; kx = kx + 1)
        for (int c = 0; c < Channels; c = c + 1) begin
          y = cy + ky - 1;
          x = cx + kx - 1;
          if (y >= 0 && y < Size && x >= 0 && x < Size) begin
            a = activation((y * Size + x) * Channels + c);
            sum = sum + 64'(Minifloat ? minifloat(a) : a) *
                        64'(weight_value(weight(o, (ky * 3 + kx) * Channels + c)));
          end
        end
    if (sum < 0) sum = 0;
    if (Minifloat) begin
      convolve = nearest_code(sum);
    end else begin
      sum = (sum + (1 << (Shift - 1))) >>> Shift;
      convolve = (sum > 127) ? 127 : 32'(sum);
    end
  endfunction

  function automatic int pooled(input int o, input int oy, input int ox);
    int best, value;
    best = -128;
    for (int wy = 0; wy < 2; wy = wy + 1)
      for (int wx = 0; wx < 2; wx = wx + 1) begin
        value = convolve(o, 2 * oy + wy, 2 * ox + wx);
        if (value > best) best = value;
      end
    pooled = best;
  endfunction

  task automatic put(input int beat, input int offset, input int bits, input int value);
    for (int i = 0; i < bits; i = i + 1)
      memory[beat + (offset + i) / BusBits][(offset + i) % BusBits] = value[(i < 32) ? i : 31];
  endtask

  task automatic program_word(input int word, input int value);
    @(negedge clk);
    prog_we = 1'b1;
    prog_addr = word[7:0];
    prog_wdata = value;
    @(negedge clk);
    prog_we = 1'b0;
  endtask

  int at, lanes, compared, wrong, beats, got, cycles, different;

  always @(posedge clk) if (out_valid) beats = beats + 1;

  initial begin
    compared = 0;
    wrong = 0;
    beats = 0;
    cycles = 0;
    different = 0;
    for (int i = 0; i < MemBeats; i = i + 1) memory[i] = '0;
    for (int i = 0; i < Latency; i = i + 1) on_its_way[i] = '0;
    for (int e = 0; e < Size * Size * Channels; e = e + 1) put(0, 8 * e, 8, activation(e));
    at = WeightAddr;
    for (int g = 0; g < 2; g = g + 1) begin
      lanes = (g == 0) ? 2 : 1;
      for (int l = 0; l < lanes; l = l + 1) put(at, AccBits * l, AccBits, bias(2 * g + l));
      at = at + ((g == 0) ? BiasBeats : BiasBeatsLast);
      for (int s = 0; s < Steps; s = s + 1) begin
        for (int l = 0; l < lanes; l = l + 1)
          for (int i = 0; i < Muls; i = i + 1)
            put(at, WgtBits * (l * Muls + i), WgtBits, weight(2 * g + l, 3 * s + i));
        at = at + ((g == 0) ? StepBeats : StepBeatsLast);
      end
    end
    for (int b = 0; b < 3; b = b + 1) memory[OutAddr+b] = '1;

    #2 rst_n = 1'b0;
    #20 rst_n = 1'b1;
    program_word(ristretto_pkg::WordMode, ristretto_pkg::ModeWeights);
    program_word(ristretto_pkg::WordGroups, 2);
    program_word(ristretto_pkg::WordGroupsPerSet, 2);
    program_word(ristretto_pkg::WordLanesSet, 1);
    program_word(ristretto_pkg::WordSetCols, 0);
    program_word(ristretto_pkg::WordLanesLast, 1);
    program_word(ristretto_pkg::WordOutChannels, Outputs);
    program_word(ristretto_pkg::WordOutH, Size / 2);
    program_word(ristretto_pkg::WordOutW, Size / 2);
    program_word(ristretto_pkg::WordConvH, Size);
    program_word(ristretto_pkg::WordConvW, Size);
    program_word(ristretto_pkg::WordPoolH, 2);
    program_word(ristretto_pkg::WordPoolW, 2);
    program_word(ristretto_pkg::WordPoolStrideH, 2);
    program_word(ristretto_pkg::WordPoolStrideW, 2);
    program_word(ristretto_pkg::WordInRows, Size);
    program_word(ristretto_pkg::WordRowElems, Size * Channels);
    program_word(ristretto_pkg::WordOriginRow, -1);
    program_word(ristretto_pkg::WordOriginCol, -Channels);
    program_word(ristretto_pkg::WordStepRow, 1);
    program_word(ristretto_pkg::WordStepCol, Channels);
    program_word(ristretto_pkg::WordSeg1Count, 3);
    program_word(ristretto_pkg::WordSeg1Rows, 1);
    program_word(ristretto_pkg::WordSeg2Count, 1);
    program_word(ristretto_pkg::WordSeg2Cols, Channels);
    program_word(ristretto_pkg::WordSegLen, 3 * Channels);
    program_word(ristretto_pkg::WordChunks, 3);
    program_word(ristretto_pkg::WordSteps, Steps);
    program_word(ristretto_pkg::WordAlign, 0);
    program_word(ristretto_pkg::WordAlignSecond, 0);
    program_word(ristretto_pkg::WordScale, 1);
    program_word(ristretto_pkg::WordScaleRight, 1);
    program_word(ristretto_pkg::WordScaleBottom, 1);
    program_word(ristretto_pkg::WordScaleCorner, 1);
    program_word(ristretto_pkg::WordShift, Shift);
    program_word(ristretto_pkg::WordShiftRight, Shift);
    program_word(ristretto_pkg::WordShiftBottom, Shift);
    program_word(ristretto_pkg::WordShiftCorner, Shift);
    program_word(ristretto_pkg::WordInUnsigned, 0);
    program_word(ristretto_pkg::WordOutUnsigned, 0);
    program_word(ristretto_pkg::WordRelu, 1);
    program_word(ristretto_pkg::WordOutBits, 8);
    program_word(ristretto_pkg::WordWaitStored, 0);
    program_word(ristretto_pkg::WordIfmapAddr, 0);
    program_word(ristretto_pkg::WordIfmapBeats, InBeats);
    program_word(ristretto_pkg::WordSecondAddr, 0);
    program_word(ristretto_pkg::WordSecondBeats, 0);
    program_word(ristretto_pkg::WordWeightAddr, WeightAddr);
    program_word(ristretto_pkg::WordBiasBeats, BiasBeats);
    program_word(ristretto_pkg::WordBiasBeatsLast, BiasBeatsLast);
    program_word(ristretto_pkg::WordStepBeats, StepBeats);
    program_word(ristretto_pkg::WordStepBeatsLast, StepBeatsLast);
    program_word(ristretto_pkg::WordOfmapAddr, OutAddr);
    program_word(ristretto_pkg::WordOfmapBeats, 3);
    program_word(ristretto_pkg::WordRunBeats, 3);
    program_word(ristretto_pkg::WordRunSkip, 0);
    program_word(ristretto_pkg::WordOriginElems, -Size * Channels);
    program_word(ristretto_pkg::WordStepRowElems, Size * Channels);
    program_word(ristretto_pkg::WordSeg1Elems, Size * Channels);
    program_word(ristretto_pkg::WordWindowRows, 2);
    program_word(ristretto_pkg::WordWindowRowElems, 2 * Size * Channels);
    program_word(ristretto_pkg::WordWindowCols, 2 * Channels);
    program_word(ristretto_pkg::WordOfmapLastElems, 4);

    start = 1'b1;
    @(negedge clk);
    start = 1'b0;
    while (!done && cycles < 10000) begin
      @(negedge clk);
      cycles = cycles + 1;
    end

    for (int oy = 0; oy < Size / 2; oy = oy + 1)
      for (int ox = 0; ox < Size / 2; ox = ox + 1)
        for (int o = 0; o < Outputs; o = o + 1) begin
          at = (oy * (Size / 2) + ox) * Outputs + o;
          got = $signed(memory[OutAddr+at/4][8*(at%4)+:8]);
          compared = compared + 1;
          if (got != $signed(memory[OutAddr][7:0])) different = different + 1;
          if (got !== pooled(o, oy, ox)) begin
            wrong = wrong + 1;
            $display("# output (%0d, %0d, %0d): expected %0d, got %0d", o, oy, ox,
                     pooled(o, oy, ox), got);
          end
        end
    if (done && !busy && wrong == 0 && beats == 8 && compared == OutElements && different > 2)
      $display("ok - array in a plain test bench: %0d values compared, %0d cycles", compared,
               cycles);
    else
      $display(
          "not ok - array in a plain test bench: done %0d, %0d of %0d values wrong, %0d beats",
          done, wrong, compared, beats);
    $finish;
  end
endmodule
