`include "ristretto_types.svh"

// The array: memory port, loader, buffers, Lanes x Muls multipliers, sequencer, storer. docs/reference/microarchitecture.md fixes
// what it does in every cycle.
module ristretto_array #(
  parameter int Lanes = 4,
  parameter int Muls = 4,
  parameter int ActBits = 8,
  parameter int WgtBits = 8,
  parameter int AccBits = 32,
  parameter int Overflow = ristretto_pkg::OverflowWrap,
  parameter int FirstLevel = ristretto_pkg::FirstLevelExact,
  parameter int TreeRegisters = ristretto_pkg::TreeRegistersNone,
  parameter int Rounding = ristretto_pkg::RoundNearest,
  parameter int ActDepth = 1024,
  parameter int OutDepth = 1024,
  parameter int WgtDepth = 64,
  parameter int BusBits = 64,
  parameter int Outstanding = 8,
  parameter int ProgDepth = 16,
  parameter int Pe = ristretto_pkg::PeMultiplier,
  parameter bit ZeroCode = 1'b0,
  parameter int ExponentBits = 4,
  parameter int MantissaBits = 3,
  parameter bit Subnormals = 1'b1,
  parameter int Special = ristretto_pkg::SpecialNan,
  parameter bit ChannelShifts = 1'b0,
  parameter bit UnsignedActivations = 1'b0,
  parameter bit AveragePooling = 1'b1,
  parameter int ActBanks = 0,                    // 0: as many as are needed
  parameter int OutBanks = 0,
  localparam int ProgBits = ristretto_pkg::index_bits(ProgDepth)
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,

  // Program: word w of descriptor d at address 64 d + w. Written while the array is idle.
  input  logic                     prog_we_i,
  input  logic [ProgBits+5:0]      prog_addr_i,
  input  logic [31:0]              prog_wdata_i,

  // A run of descriptors 0 to n_desc_i - 1, at least one.
  input  logic                     start_i,
  input  logic [15:0]              n_desc_i,         // stable until done_o
  output logic                     busy_o,
  output logic                     done_o,           // one cycle, behind the last write

  // Memory port. A read or write is accepted in a cycle with mem_ready_i; answers come in order and are never refused.
  // A read that is not accepted may give way to a write; a write stays until it is accepted.
  output logic                     rd_valid_o,
  output logic [31:0]              rd_addr_o,        // in beats
  output logic                     wr_valid_o,       // never together with rd_valid_o
  output logic [31:0]              wr_addr_o,
  output logic [BusBits-1:0]       wr_data_o,
  input  logic                     mem_ready_i,
  input  logic                     rsp_valid_i,
  input  logic [BusBits-1:0]       rsp_data_i,

  // Observation: the output beat of this cycle, and whose requests are on the memory port.
  output logic                     obs_out_valid_o,
  output logic [15:0]              obs_out_desc_o,
  output logic [23:0]              obs_out_addr_o,   // element of the output buffer
  output logic [6:0]               obs_out_lanes_o,  // elements of the beat
  output logic [Lanes*ActBits-1:0] obs_out_data_o,
  output logic [31:0]              obs_out_sat_o,
  output logic [31:0]              obs_out_ovf_o,
  output logic [15:0]              obs_rd_desc_o,
  output logic [15:0]              obs_wr_desc_o
);
  localparam int Elements = BusBits / ActBits;
  localparam int InBits = ActBits + (UnsignedActivations ? 1 : 0);  // an activation with its sign
  localparam int BiasBits = AccBits + (ChannelShifts ? ristretto_pkg::ChannelShiftBits : 0);  // of a lane
  localparam int TreeStages = ristretto_pkg::tree_stages(Muls, TreeRegisters);
  localparam int TreeEnBits = ristretto_pkg::max_of(TreeStages, 1);
  localparam int Stages = 6 + TreeStages;
  localparam int ActAddrBits = ristretto_pkg::element_bits(ActDepth, ristretto_pkg::banks_of(Muls, Elements, ActBanks));
  localparam int OutAddrBits = ristretto_pkg::element_bits(OutDepth, ristretto_pkg::banks_of(Elements, Lanes, OutBanks));
  localparam int StepAddrBits = ristretto_pkg::index_bits(WgtDepth);
  localparam int MaskBits = ristretto_pkg::index_bits(Muls + 1);
  localparam int ElementsBits = ristretto_pkg::index_bits(Elements + 1);
  localparam int LanesBits = ristretto_pkg::index_bits(Lanes + 1);
  localparam int StepBits = ristretto_pkg::StepBits;

  // verilator coverage_off
  initial begin  // decided while the design is elaborated
    if (Lanes < 1 || Lanes > 64) $fatal(1, "Lanes must be 1 to 64");
    if (Muls < 1 || Muls > 64) $fatal(1, "Muls must be 1 to 64");
    if (ActBits < 1 || ActBits > 16) $fatal(1, "ActBits must be 1 to 16");
    if (WgtBits < 1 || WgtBits > 16) $fatal(1, "WgtBits must be 1 to 16");
    if (Pe < ristretto_pkg::PeMultiplier || Pe > ristretto_pkg::PeMinifloat) $fatal(1, "Pe is not known");
    if (Pe == ristretto_pkg::PeShifter && (WgtBits < 2 || WgtBits > 5)) $fatal(1, "WgtBits of a shifter must be 2 to 5");
    if (Pe == ristretto_pkg::PeMinifloat) begin
      if (ExponentBits < 1 || ExponentBits > 8 || MantissaBits < 0 || MantissaBits > 10)
        $fatal(1, "ExponentBits must be 1 to 8, MantissaBits 0 to 10");
      if (ActBits != 1 + ExponentBits + MantissaBits || WgtBits != ActBits)
        $fatal(1, "ActBits and WgtBits must be those of the minifloat");
      if (UnsignedActivations || AveragePooling || ChannelShifts) $fatal(1, "minifloats have no UnsignedActivations, AveragePooling, ChannelShifts");
      if (AccBits < 2 || AccBits > 112) $fatal(1, "AccBits must be 2 to 112");
    end else if (AccBits < 2 || AccBits > 48) $fatal(1, "AccBits must be 2 to 48");
    if (BusBits < 16 || BusBits > 1024 || (1 << $clog2(BusBits)) != BusBits)
      $fatal(1, "BusBits must be a power of two from 16 to 1024");
    if (ActDepth < 1 || OutDepth < 1 || WgtDepth < 1) $fatal(1, "buffers must not be empty");
    if (ActDepth > 1 << 24 || OutDepth > 1 << 24 || WgtDepth > 1 << 16) $fatal(1, "a buffer is too large");
    if (Outstanding < 1 || ProgDepth < 1 || ProgDepth > 1 << 16) $fatal(1, "Outstanding or ProgDepth out of range");
  end
  // verilator coverage_on

  // Start and end. -----------------------------------------------------------------------------------------------
  logic start, finish;
  assign start = start_i && !busy_o;

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      busy_o <= 1'b0;
      done_o <= 1'b0;
    end else begin
      busy_o <= (busy_o || start) && !finish;
      done_o <= finish;
    end
  end

  // Program memory: a copy for each engine, since they read it on their own. ---------------------------------------
  logic load_fetch, seq_fetch, store_fetch;
  logic [ProgBits-1:0] load_fetch_addr, seq_fetch_addr, store_fetch_addr;
  rst_desc_t load_desc, seq_desc, store_desc;

  rst_program_memory #(.Depth(ProgDepth)) u_load_program (
    .clk_i,
    .we_i(prog_we_i),
    .waddr_i(prog_addr_i),
    .wdata_i(prog_wdata_i),
    .re_i(load_fetch),
    .raddr_i(load_fetch_addr),
    .desc_o(load_desc)
  );

  rst_program_memory #(.Depth(ProgDepth)) u_seq_program (
    .clk_i,
    .we_i(prog_we_i),
    .waddr_i(prog_addr_i),
    .wdata_i(prog_wdata_i),
    .re_i(seq_fetch),
    .raddr_i(seq_fetch_addr),
    .desc_o(seq_desc)
  );

  rst_program_memory #(.Depth(ProgDepth)) u_store_program (
    .clk_i,
    .we_i(prog_we_i),
    .waddr_i(prog_addr_i),
    .wdata_i(prog_wdata_i),
    .re_i(store_fetch),
    .raddr_i(store_fetch_addr),
    .desc_o(store_desc)
  );

  // Flags. ---------------------------------------------------------------------------------------------------------
  logic [1:0] wgt_busy_set, wgt_busy_clear, wgt_full_set, wgt_full_clear, act_busy_set, act_full_set, act_clear;
  logic [1:0] out_busy_set, out_full_set, out_clear;
  logic [1:0] wgt_busy, wgt_full, act_busy, act_full, out_busy, out_full;
  logic [15:0] stored;

  rst_flags u_flags (
    .clk_i,
    .rst_ni,
    .start_i(start),
    .wgt_busy_set_i(wgt_busy_set),
    .wgt_busy_clear_i(wgt_busy_clear),
    .wgt_full_set_i(wgt_full_set),
    .wgt_full_clear_i(wgt_full_clear),
    .act_busy_set_i(act_busy_set),
    .act_full_set_i(act_full_set),
    .act_clear_i(act_clear),
    .out_busy_set_i(out_busy_set),
    .out_full_set_i(out_full_set),
    .out_clear_i(out_clear),
    .wgt_busy_o(wgt_busy),
    .wgt_full_o(wgt_full),
    .act_busy_o(act_busy),
    .act_full_o(act_full),
    .out_busy_o(out_busy),
    .out_full_o(out_full),
    .stored_o(stored)
  );

  // Loader and receiver. -----------------------------------------------------------------------------------------
  logic phase_push;
  rst_phase_t phase;
  logic act_we, wgt_we, fill_half, fill_bias;
  logic [ActAddrBits-1:0] fill_act_addr;
  logic [StepAddrBits-1:0] fill_step;
  logic [15:0] fill_beat;

  rst_loader #(
    .Outstanding(Outstanding),
    .ProgDepth(ProgDepth)
  ) u_loader (
    .clk_i,
    .rst_ni,
    .start_i(start),
    .n_desc_i,
    .fetch_o(load_fetch),
    .fetch_addr_o(load_fetch_addr),
    .desc_i(load_desc),
    .wgt_busy_i(wgt_busy),
    .act_busy_i(act_busy),
    .stored_i(stored),
    .wgt_busy_set_o(wgt_busy_set),
    .act_busy_set_o(act_busy_set),
    .phase_push_o(phase_push),
    .phase_o(phase),
    .wr_valid_i(wr_valid_o),
    .rd_valid_o,
    .rd_addr_o,
    .mem_ready_i,
    .rsp_valid_i,
    .obs_desc_o(obs_rd_desc_o)
  );

  rst_receiver #(
    .Elements(Elements),
    .ActAddrBits(ActAddrBits),
    .StepAddrBits(StepAddrBits)
  ) u_receiver (
    .clk_i,
    .rst_ni,
    .start_i(start),
    .phase_push_i(phase_push),
    .phase_i(phase),
    .rsp_valid_i,
    .act_we_o(act_we),
    .wgt_we_o(wgt_we),
    .half_o(fill_half),
    .act_addr_o(fill_act_addr),
    .wgt_bias_o(fill_bias),
    .wgt_step_o(fill_step),
    .wgt_beat_o(fill_beat),
    .act_full_set_o(act_full_set),
    .wgt_full_set_o(wgt_full_set)
  );

  // Sequencer, and its steps on their way down the pipeline. -------------------------------------------------------
  rst_step_t step;
  logic act_half;
  logic [ActAddrBits-1:0] act_addr;
  logic [MaskBits-1:0] act_low, act_high;
  logic [StepAddrBits-1:0] wgt_step;

  rst_sequencer #(
    .Lanes(Lanes),
    .Muls(Muls),
    .ProgDepth(ProgDepth),
    .ActAddrBits(ActAddrBits),
    .StepAddrBits(StepAddrBits)
  ) u_sequencer (
    .clk_i,
    .rst_ni,
    .start_i(start),
    .n_desc_i,
    .fetch_o(seq_fetch),
    .fetch_addr_o(seq_fetch_addr),
    .desc_i(seq_desc),
    .wgt_full_i(wgt_full),
    .act_full_i(act_full),
    .out_busy_i(out_busy),
    .wgt_full_clear_o(wgt_full_clear),
    .act_clear_o(act_clear),
    .out_busy_set_o(out_busy_set),
    .step_o(step),
    .act_half_o(act_half),
    .act_addr_o(act_addr),
    .act_low_o(act_low),
    .act_high_o(act_high),
    .wgt_step_o(wgt_step)
  );

  logic [Stages*StepBits-1:0] taps;
  rst_step_t at_read, at_multiply, at_accumulate, at_result, at_pool, at_output;

  rst_step_pipe #(.Stages(Stages)) u_step_pipe (
    .clk_i,
    .rst_ni,
    .step_i(step),
    .taps_o(taps)
  );

  assign at_read       = taps[0*StepBits +: StepBits];               // t+1
  assign at_multiply   = taps[1*StepBits +: StepBits];               // t+2
  assign at_accumulate = taps[(2+TreeStages)*StepBits +: StepBits];  // t+3+T
  assign at_result     = taps[(3+TreeStages)*StepBits +: StepBits];  // t+4+T
  assign at_pool       = taps[(4+TreeStages)*StepBits +: StepBits];  // t+5+T
  assign at_output     = taps[(5+TreeStages)*StepBits +: StepBits];  // t+6+T

  logic [TreeEnBits-1:0] tree_en;
  if (TreeStages == 0) begin : gen_no_tree_en
    assign tree_en = '0;
  end else begin : gen_tree_en
    for (genvar k = 0; k < TreeStages; k++) begin : gen_stage
      assign tree_en[k] = taps[(2+k)*StepBits+StepBits-1];           // t+3+k; valid is the highest bit
    end
  end

  logic wgt_done;
  assign wgt_done = at_accumulate.valid && at_accumulate.group_last && !at_accumulate.direct;
  assign wgt_busy_clear = {wgt_done && at_accumulate.wgt_half, wgt_done && !at_accumulate.wgt_half};
  assign out_full_set = {at_output.valid && at_output.desc_last && at_output.out_half,
                         at_output.valid && at_output.desc_last && !at_output.out_half};

  logic unused_taps;
  assign unused_taps = ^{at_read, at_multiply, at_accumulate, at_result, at_pool, at_output};

  // Activations: read, rotate (in the buffer), mask, operand register. --------------------------------------------
  logic [Muls*ActBits-1:0] act_line;
  logic [Muls*InBits-1:0] act_q;
  logic [MaskBits-1:0] act_low_q, act_high_q;

  rst_banked_buffer #(
    .Width(ActBits),
    .Depth(ActDepth),
    .Reads(Muls),
    .Writes(Elements),
    .Banks(ActBanks)
  ) u_act_buffer (
    .clk_i,
    .we_i(act_we),
    .whalf_i(fill_half),
    .waddr_i(fill_act_addr),
    .wcount_i(ElementsBits'(Elements)),
    .wdata_i(rsp_data_i[Elements*ActBits-1:0]),
    .re_i(step.valid),
    .rhalf_i(act_half),
    .raddr_i(act_addr),
    .rdata_o(act_line)
  );

  always_ff @(posedge clk_i) begin
    if (step.valid) begin
      act_low_q <= act_low;
      act_high_q <= act_high;
    end
  end

  for (genvar i = 0; i < Muls; i++) begin : gen_act
    logic taken;
    logic [ActBits-1:0] word;
    logic [InBits-1:0] act;
    assign taken = (MaskBits'(i) >= act_low_q) && (MaskBits'(i) < act_high_q);
    assign word = act_line[i*ActBits +: ActBits];
    if (UnsignedActivations) begin : gen_sign
      assign act = {!at_read.in_unsigned && word[ActBits-1], word};
    end else begin : gen_as_is
      assign act = word;
    end
    always_ff @(posedge clk_i) begin
      if (at_read.valid) act_q[i*InBits +: InBits] <= taken ? act : '0;
    end
  end

  // Weights and biases. --------------------------------------------------------------------------------------------
  logic [Lanes*Muls*WgtBits-1:0] wgt_line;
  logic [Lanes*BiasBits-1:0] biases;

  rst_weight_buffer #(
    .Lanes(Lanes),
    .Muls(Muls),
    .WgtBits(WgtBits),
    .LaneBits(BiasBits),
    .Depth(WgtDepth),
    .BusBits(BusBits)
  ) u_wgt_buffer (
    .clk_i,
    .we_i(wgt_we),
    .whalf_i(fill_half),
    .wbias_i(fill_bias),
    .wstep_i(fill_step),
    .wbeat_i(fill_beat),
    .wdata_i(rsp_data_i),
    .re_i(step.valid && !step.direct),
    .rhalf_i(step.wgt_half),
    .rstep_i(wgt_step),
    .rdata_o(wgt_line),
    .bias_half_i(at_accumulate.wgt_half),
    .bias_o(biases)
  );

  // Lanes and pooling. -----------------------------------------------------------------------------------------------
  logic [Lanes-1:0] lane_ovf, lane_sat;
  logic [Lanes*ActBits-1:0] pooled;

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [ActBits-1:0] result, maximum;
    logic [BiasBits-1:0] bias;
    assign bias = at_accumulate.direct ? '0 : biases[l*BiasBits +: BiasBits];

    rst_lane #(
      .Muls(Muls),
      .ActBits(ActBits),
      .WgtBits(WgtBits),
      .AccBits(AccBits),
      .Overflow(Overflow),
      .FirstLevel(FirstLevel),
      .TreeRegisters(TreeRegisters),
      .Rounding(Rounding),
      .Lane(l),
      .Pe(Pe),
      .ZeroCode(ZeroCode),
      .ExponentBits(ExponentBits),
      .MantissaBits(MantissaBits),
      .Subnormals(Subnormals),
      .Special(Special),
      .ChannelShifts(ChannelShifts),
      .UnsignedActivations(UnsignedActivations),
      .AveragePooling(AveragePooling)
    ) u_lane (
      .clk_i,
      .operand_en_i(at_read.valid),
      .wgt_i(wgt_line[l*Muls*WgtBits +: Muls*WgtBits]),
      .product_en_i(at_multiply.valid),
      .act_i(act_q),
      .direct_i(at_multiply.direct),
      .align_i(at_multiply.align),
      .tree_en_i(tree_en),
      .acc_en_i(at_accumulate.valid),
      .acc_first_i(at_accumulate.first),
      .bias_i(bias),
      .result_en_i(at_result.valid && at_result.last),
      .relu_i(at_result.relu),
      .scale_i(at_result.scale),
      .shift_i(at_result.shift),
      .out_bits_i(at_result.out_bits),
      .lowest_i(at_result.outside),
      .unsigned_i(at_result.out_unsigned),
      .ovf_o(lane_ovf[l]),
      .result_o(result),
      .sat_o(lane_sat[l])
    );

    rst_pool_max #(
      .ActBits(ActBits),
      .UnsignedActivations(UnsignedActivations),
      .Magnitudes(Pe == ristretto_pkg::PeMinifloat)
    ) u_pool (
      .clk_i,
      .en_i(at_pool.valid && at_pool.last),
      .first_i(at_pool.pos_first),
      .unsigned_i(at_pool.out_unsigned),
      .data_i(result),
      .max_o(maximum)
    );

    assign pooled[l*ActBits +: ActBits] = maximum;
  end

  // Output buffer and storer. ------------------------------------------------------------------------------------
  logic out_we, buf_re, buf_half;
  logic [OutAddrBits-1:0] buf_addr;
  logic [Elements*ActBits-1:0] buf_data;

  assign out_we = at_output.valid && at_output.last && at_output.pos_last;

  rst_banked_buffer #(
    .Width(ActBits),
    .Depth(OutDepth),
    .Reads(Elements),
    .Writes(Lanes),
    .Banks(OutBanks)
  ) u_out_buffer (
    .clk_i,
    .we_i(out_we),
    .whalf_i(at_output.out_half),
    .waddr_i(OutAddrBits'(at_output.out_addr)),
    .wcount_i(LanesBits'(at_output.lanes)),
    .wdata_i(pooled),
    .re_i(buf_re),
    .rhalf_i(buf_half),
    .raddr_i(buf_addr),
    .rdata_o(buf_data)
  );

  rst_storer #(
    .ActBits(ActBits),
    .BusBits(BusBits),
    .ProgDepth(ProgDepth),
    .OutAddrBits(OutAddrBits)
  ) u_storer (
    .clk_i,
    .rst_ni,
    .start_i(start),
    .n_desc_i,
    .fetch_o(store_fetch),
    .fetch_addr_o(store_fetch_addr),
    .desc_i(store_desc),
    .out_full_i(out_full),
    .out_clear_o(out_clear),
    .finish_o(finish),
    .buf_re_o(buf_re),
    .buf_half_o(buf_half),
    .buf_addr_o(buf_addr),
    .buf_data_i(buf_data),
    .wr_valid_o,
    .wr_addr_o,
    .wr_data_o,
    .mem_ready_i,
    .obs_desc_o(obs_wr_desc_o)
  );

  // Observation. -----------------------------------------------------------------------------------------------------
  logic [31:0] ovf_count, sat_count, ovf_count_q;
  logic [15:0] out_desc_q;

  rst_flag_count #(.Lanes(Lanes)) u_ovf_count (
    .clk_i,
    .en_i(at_result.valid),
    .first_i(at_result.first && at_result.pos_first),
    .lanes_i(at_result.lanes),
    .flags_i(lane_ovf),
    .count_o(ovf_count)
  );

  rst_flag_count #(.Lanes(Lanes)) u_sat_count (
    .clk_i,
    .en_i(at_pool.valid && at_pool.last),
    .first_i(at_pool.pos_first),
    .lanes_i(at_pool.lanes),
    .flags_i(lane_sat),
    .count_o(sat_count)
  );

  always_ff @(posedge clk_i) begin
    if (at_pool.valid) ovf_count_q <= ovf_count;
  end

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) out_desc_q <= '0;
    else if (start) out_desc_q <= '0;
    else if (out_we && at_output.desc_last) out_desc_q <= out_desc_q + 16'd1;
  end

  assign obs_out_valid_o = out_we;
  assign obs_out_desc_o = out_desc_q;
  assign obs_out_addr_o = at_output.out_addr;
  assign obs_out_lanes_o = at_output.lanes;
  assign obs_out_data_o = pooled;
  assign obs_out_sat_o = sat_count;
  assign obs_out_ovf_o = ovf_count_q;

  // The top bits of a beat hold no activation if ActBits does not divide it.
  logic unused_rsp;
  assign unused_rsp = ^rsp_data_i;
endmodule
