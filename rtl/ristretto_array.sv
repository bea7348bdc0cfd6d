`include "ristretto_types.svh"

// The array: memory port, loader, buffers, LANES x MULS multipliers, sequencer, storer. docs/reference/microarchitecture.md fixes
// what it does in every cycle.
module ristretto_array #(
  parameter int LANES = 4,
  parameter int MULS = 4,
  parameter int ACT_BITS = 8,
  parameter int WGT_BITS = 8,
  parameter int ACC_BITS = 32,
  parameter int OVERFLOW = ristretto_pkg::OverflowWrap,
  parameter int FIRST_LEVEL = ristretto_pkg::FirstLevelExact,
  parameter int TREE_REGS = ristretto_pkg::TreeRegsNone,
  parameter int ROUNDING = ristretto_pkg::RoundNearest,
  parameter int ACT_DEPTH = 1024,
  parameter int OUT_DEPTH = 1024,
  parameter int WGT_DEPTH = 64,
  parameter int BUS_BITS = 64,
  parameter int OUTSTANDING = 8,
  parameter int PROG_DEPTH = 16,
  parameter int PE = ristretto_pkg::PeMultiplier,
  parameter int ZERO_CODE = 0,
  parameter int EXPONENT_BITS = 4,
  parameter int MANTISSA_BITS = 3,
  parameter int SUBNORMALS = 1,
  parameter int SPECIAL = ristretto_pkg::SpecialNan,
  parameter int CHANNEL_SHIFT = 0,
  parameter int UNSIGNED = 0,
  parameter int AVERAGE = 1,
  parameter int ACT_BANKS = 0,                    // 0: as many as are needed
  parameter int OUT_BANKS = 0,
  localparam int ProgBits = ristretto_pkg::index_bits(PROG_DEPTH)
) (
  input  logic                      clk_i,
  input  logic                      rst_ni,

  // Program: word w of descriptor d at address 64 d + w. Written while the array is idle.
  input  logic                      prog_we_i,
  input  logic [ProgBits+5:0]       prog_addr_i,
  input  logic [31:0]               prog_wdata_i,

  // A run of descriptors 0 to n_desc_i - 1, at least one.
  input  logic                      start_i,
  input  logic [15:0]               n_desc_i,      // stable until done_o
  output logic                      busy_o,
  output logic                      done_o,        // one cycle, behind the last write

  // Memory port. A read or write is accepted in a cycle with mem_ready_i; answers come in order and are never refused.
  // A read that is not accepted may give way to a write; a write stays until it is accepted.
  output logic                      rd_valid_o,
  output logic [31:0]               rd_addr_o,     // in beats
  output logic                      wr_valid_o,    // never together with rd_valid_o
  output logic [31:0]               wr_addr_o,
  output logic [BUS_BITS-1:0]       wr_data_o,
  input  logic                      mem_ready_i,
  input  logic                      rsp_valid_i,
  input  logic [BUS_BITS-1:0]       rsp_data_i,

  // Observation: the output beat of this cycle, and whose requests are on the memory port.
  output logic                      obs_out_valid_o,
  output logic [15:0]               obs_out_desc_o,
  output logic [23:0]               obs_out_addr_o,   // element of the output buffer
  output logic [6:0]                obs_out_lanes_o,  // elements of the beat
  output logic [LANES*ACT_BITS-1:0] obs_out_data_o,
  output logic [31:0]               obs_out_sat_o,
  output logic [31:0]               obs_out_ovf_o,
  output logic [15:0]               obs_rd_desc_o,
  output logic [15:0]               obs_wr_desc_o
);
  localparam int Elements = BUS_BITS / ACT_BITS;
  localparam int InBits = ACT_BITS + ((UNSIGNED != 0) ? 1 : 0);  // an activation with its sign
  localparam int BiasBits = ACC_BITS + ((CHANNEL_SHIFT != 0) ? ristretto_pkg::ChannelShiftBits : 0);  // of a lane
  localparam int TreeStages = ristretto_pkg::tree_stages(MULS, TREE_REGS);
  localparam int TreeEnBits = ristretto_pkg::max_of(TreeStages, 1);
  localparam int Stages = 6 + TreeStages;
  localparam int ActAddrBits = ristretto_pkg::element_bits(ACT_DEPTH, ristretto_pkg::banks_of(MULS, Elements, ACT_BANKS));
  localparam int OutAddrBits = ristretto_pkg::element_bits(OUT_DEPTH, ristretto_pkg::banks_of(Elements, LANES, OUT_BANKS));
  localparam int StepAddrBits = ristretto_pkg::index_bits(WGT_DEPTH);
  localparam int MaskBits = ristretto_pkg::index_bits(MULS + 1);
  localparam int ElementsBits = ristretto_pkg::index_bits(Elements + 1);
  localparam int LanesBits = ristretto_pkg::index_bits(LANES + 1);
  localparam int StepBits = ristretto_pkg::StepBits;

  // verilator coverage_off
  initial begin  // decided while the design is elaborated
    if (LANES < 1 || LANES > 64) $fatal(1, "LANES must be 1 to 64");
    if (MULS < 1 || MULS > 64) $fatal(1, "MULS must be 1 to 64");
    if (ACT_BITS < 1 || ACT_BITS > 16) $fatal(1, "ACT_BITS must be 1 to 16");
    if (WGT_BITS < 1 || WGT_BITS > 16) $fatal(1, "WGT_BITS must be 1 to 16");
    if (PE < ristretto_pkg::PeMultiplier || PE > ristretto_pkg::PeMinifloat) $fatal(1, "PE is not known");
    if (PE == ristretto_pkg::PeShifter && (WGT_BITS < 2 || WGT_BITS > 5)) $fatal(1, "WGT_BITS of a shifter must be 2 to 5");
    if (PE == ristretto_pkg::PeMinifloat) begin
      if (EXPONENT_BITS < 1 || EXPONENT_BITS > 8 || MANTISSA_BITS < 0 || MANTISSA_BITS > 10)
        $fatal(1, "EXPONENT_BITS must be 1 to 8, MANTISSA_BITS 0 to 10");
      if (ACT_BITS != 1 + EXPONENT_BITS + MANTISSA_BITS || WGT_BITS != ACT_BITS)
        $fatal(1, "ACT_BITS and WGT_BITS must be those of the minifloat");
      if (UNSIGNED != 0 || AVERAGE != 0 || CHANNEL_SHIFT != 0) $fatal(1, "minifloats have no UNSIGNED, AVERAGE, CHANNEL_SHIFT");
      if (ACC_BITS < 2 || ACC_BITS > 112) $fatal(1, "ACC_BITS must be 2 to 112");
    end else if (ACC_BITS < 2 || ACC_BITS > 48) $fatal(1, "ACC_BITS must be 2 to 48");
    if (BUS_BITS < 16 || BUS_BITS > 1024 || (1 << $clog2(BUS_BITS)) != BUS_BITS)
      $fatal(1, "BUS_BITS must be a power of two from 16 to 1024");
    if (ACT_DEPTH < 1 || OUT_DEPTH < 1 || WGT_DEPTH < 1) $fatal(1, "buffers must not be empty");
    if (ACT_DEPTH > 1 << 24 || OUT_DEPTH > 1 << 24 || WGT_DEPTH > 1 << 16) $fatal(1, "a buffer is too large");
    if (OUTSTANDING < 1 || PROG_DEPTH < 1 || PROG_DEPTH > 1 << 16) $fatal(1, "OUTSTANDING or PROG_DEPTH out of range");
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

  rst_program_memory #(.DEPTH(PROG_DEPTH)) u_load_program (
    .clk_i,
    .we_i(prog_we_i),
    .waddr_i(prog_addr_i),
    .wdata_i(prog_wdata_i),
    .re_i(load_fetch),
    .raddr_i(load_fetch_addr),
    .desc_o(load_desc)
  );

  rst_program_memory #(.DEPTH(PROG_DEPTH)) u_seq_program (
    .clk_i,
    .we_i(prog_we_i),
    .waddr_i(prog_addr_i),
    .wdata_i(prog_wdata_i),
    .re_i(seq_fetch),
    .raddr_i(seq_fetch_addr),
    .desc_o(seq_desc)
  );

  rst_program_memory #(.DEPTH(PROG_DEPTH)) u_store_program (
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
    .OUTSTANDING(OUTSTANDING),
    .PROG_DEPTH(PROG_DEPTH)
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
    .ELEMENTS(Elements),
    .ACT_ADDR_BITS(ActAddrBits),
    .STEP_ADDR_BITS(StepAddrBits)
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
    .LANES(LANES),
    .MULS(MULS),
    .PROG_DEPTH(PROG_DEPTH),
    .ACT_ADDR_BITS(ActAddrBits),
    .STEP_ADDR_BITS(StepAddrBits)
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

  rst_step_pipe #(.STAGES(Stages)) u_step_pipe (
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
  logic [MULS*ACT_BITS-1:0] act_line;
  logic [MULS*InBits-1:0] act_q;
  logic [MaskBits-1:0] act_low_q, act_high_q;

  rst_banked_buffer #(
    .WIDTH(ACT_BITS),
    .DEPTH(ACT_DEPTH),
    .READS(MULS),
    .WRITES(Elements),
    .BANKS(ACT_BANKS)
  ) u_act_buffer (
    .clk_i,
    .we_i(act_we),
    .whalf_i(fill_half),
    .waddr_i(fill_act_addr),
    .wcount_i(ElementsBits'(Elements)),
    .wdata_i(rsp_data_i[Elements*ACT_BITS-1:0]),
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

  for (genvar i = 0; i < MULS; i++) begin : gen_act
    logic taken;
    logic [ACT_BITS-1:0] word;
    logic [InBits-1:0] act;
    assign taken = (MaskBits'(i) >= act_low_q) && (MaskBits'(i) < act_high_q);
    assign word = act_line[i*ACT_BITS +: ACT_BITS];
    if (UNSIGNED != 0) begin : gen_sign
      assign act = {!at_read.in_unsigned && word[ACT_BITS-1], word};
    end else begin : gen_as_is
      assign act = word;
    end
    always_ff @(posedge clk_i) begin
      if (at_read.valid) act_q[i*InBits +: InBits] <= taken ? act : '0;
    end
  end

  // Weights and biases. --------------------------------------------------------------------------------------------
  logic [LANES*MULS*WGT_BITS-1:0] wgt_line;
  logic [LANES*BiasBits-1:0] biases;

  rst_weight_buffer #(
    .LANES(LANES),
    .MULS(MULS),
    .WGT_BITS(WGT_BITS),
    .LANE_BITS(BiasBits),
    .DEPTH(WGT_DEPTH),
    .BUS_BITS(BUS_BITS)
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
  logic [LANES-1:0] lane_ovf, lane_sat;
  logic [LANES*ACT_BITS-1:0] pooled;

  for (genvar l = 0; l < LANES; l++) begin : gen_lane
    logic [ACT_BITS-1:0] result, maximum;
    logic [BiasBits-1:0] bias;
    assign bias = at_accumulate.direct ? '0 : biases[l*BiasBits +: BiasBits];

    rst_lane #(
      .MULS(MULS),
      .ACT_BITS(ACT_BITS),
      .WGT_BITS(WGT_BITS),
      .ACC_BITS(ACC_BITS),
      .OVERFLOW(OVERFLOW),
      .FIRST_LEVEL(FIRST_LEVEL),
      .TREE_REGS(TREE_REGS),
      .ROUNDING(ROUNDING),
      .LANE(l),
      .PE(PE),
      .ZERO_CODE(ZERO_CODE),
      .EXPONENT_BITS(EXPONENT_BITS),
      .MANTISSA_BITS(MANTISSA_BITS),
      .SUBNORMALS(SUBNORMALS),
      .SPECIAL(SPECIAL),
      .CHANNEL_SHIFT(CHANNEL_SHIFT),
      .UNSIGNED(UNSIGNED),
      .AVERAGE(AVERAGE)
    ) u_lane (
      .clk_i,
      .operand_en_i(at_read.valid),
      .wgt_i(wgt_line[l*MULS*WGT_BITS +: MULS*WGT_BITS]),
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
      .ACT_BITS(ACT_BITS),
      .UNSIGNED(UNSIGNED),
      .MAGNITUDES((PE == ristretto_pkg::PeMinifloat) ? 1 : 0)
    ) u_pool (
      .clk_i,
      .en_i(at_pool.valid && at_pool.last),
      .first_i(at_pool.pos_first),
      .unsigned_i(at_pool.out_unsigned),
      .data_i(result),
      .max_o(maximum)
    );

    assign pooled[l*ACT_BITS +: ACT_BITS] = maximum;
  end

  // Output buffer and storer. ------------------------------------------------------------------------------------
  logic out_we, buf_re, buf_half;
  logic [OutAddrBits-1:0] buf_addr;
  logic [Elements*ACT_BITS-1:0] buf_data;

  assign out_we = at_output.valid && at_output.last && at_output.pos_last;

  rst_banked_buffer #(
    .WIDTH(ACT_BITS),
    .DEPTH(OUT_DEPTH),
    .READS(Elements),
    .WRITES(LANES),
    .BANKS(OUT_BANKS)
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
    .ACT_BITS(ACT_BITS),
    .BUS_BITS(BUS_BITS),
    .PROG_DEPTH(PROG_DEPTH),
    .OUT_ADDR_BITS(OutAddrBits)
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

  rst_flag_count #(.LANES(LANES)) u_ovf_count (
    .clk_i,
    .en_i(at_result.valid),
    .first_i(at_result.first && at_result.pos_first),
    .lanes_i(at_result.lanes),
    .flags_i(lane_ovf),
    .count_o(ovf_count)
  );

  rst_flag_count #(.LANES(LANES)) u_sat_count (
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

  // The top bits of a beat hold no activation if ACT_BITS does not divide it.
  logic unused_rsp;
  assign unused_rsp = ^rsp_data_i;
endmodule
