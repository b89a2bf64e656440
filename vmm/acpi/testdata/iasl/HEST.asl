[0004]                    Signature : "HEST"
[0004]                 Table Length : 00000264
[0001]                     Revision : 01
[0001]                     Checksum : 60
[0006]                       Oem ID : "VGRAFT"
[0008]                 Oem Table ID : "SAMPLE"
[0004]                 Oem Revision : 04030201
[0004]              Asl Compiler ID : "VGFT"
[0004]        Asl Compiler Revision : 08070605
[0004]           Error Source Count : 00000009

[0002]                Subtable Type : 0000
[0002]                    Source Id : 0101
[0002]                    Reserved1 : 0000
[0001]        Flags (decoded below) : 01
                              Firmware First : 1
                                 GHES Assist : 0
[0001]                      Enabled : 02
[0004]       Records To Preallocate : 03020103
[0004]      Max Sections Per Record : 03020104
[0008]       Global Capability Data : 0706050403020105
[0008]          Global Control Data : 0706050403020106
[0001]           Num Hardware Banks : 02
[0007]                    Reserved2 : 00000000000000
[0001]                  Bank Number : 07
[0001]         Clear Status On Init : 08
[0001]                Status Format : 09
[0001]                     Reserved : 00
[0004]             Control Register : 0302010A
[0008]                 Control Data : 070605040302010B
[0004]              Status Register : 0302010C
[0004]             Address Register : 0302010D
[0004]                Misc Register : 0302010E
[0001]                  Bank Number : 0F
[0001]         Clear Status On Init : 10
[0001]                Status Format : 11
[0001]                     Reserved : 00
[0004]             Control Register : 03020112
[0008]                 Control Data : 0706050403020113
[0004]              Status Register : 03020114
[0004]             Address Register : 03020115
[0004]                Misc Register : 03020116

[0002]                Subtable Type : 0001
[0002]                    Source Id : 0117
[0002]                    Reserved1 : 0000
[0001]        Flags (decoded below) : 01
                              Firmware First : 1
                                 GHES Assist : 0
[0001]                      Enabled : 18
[0004]       Records To Preallocate : 03020119
[0004]      Max Sections Per Record : 0302011A
[0028]                       Notify : [Hardware Error Notification Structure]
[0001]                  Notify Type : 05
[0001]                Notify Length : 1C
[0002]   Configuration Write Enable : 011B
[0004]                 PollInterval : 0302011C
[0004]                       Vector : 0302011D
[0004]      Polling Threshold Value : 0302011E
[0004]     Polling Threshold Window : 0302011F
[0004]        Error Threshold Value : 03020120
[0004]       Error Threshold Window : 03020121
[0001]           Num Hardware Banks : 01
[0003]                    Reserved2 : 000000
[0001]                  Bank Number : 22
[0001]         Clear Status On Init : 23
[0001]                Status Format : 24
[0001]                     Reserved : 00
[0004]             Control Register : 03020125
[0008]                 Control Data : 0706050403020126
[0004]              Status Register : 03020127
[0004]             Address Register : 03020128
[0004]                Misc Register : 03020129

[0002]                Subtable Type : 0002
[0002]                    Source Id : 012A
[0004]                     Reserved : 00000000
[0004]       Records To Preallocate : 0302012B
[0004]      Max Sections Per Record : 0302012C
[0004]          Max Raw Data Length : 0302012D

[0002]                Subtable Type : 0006
[0002]                    Source Id : 012E
[0002]                     Reserved : 0000
[0001]        Flags (decoded below) : 01
                              Firmware First : 1
                                      Global : 1
[0001]                      Enabled : 2F
[0004]       Records To Preallocate : 03020130
[0004]      Max Sections Per Record : 03020131
[0004]                          Bus : 03020132
[0002]                       Device : 0133
[0002]                     Function : 0134
[0002]                DeviceControl : 0135
[0002]                     Reserved : 0000
[0004]           Uncorrectable Mask : 03020136
[0004]       Uncorrectable Severity : 03020137
[0004]             Correctable Mask : 03020138
[0004]        Advanced Capabilities : 03020139
[0004]           Root Error Command : 0302013A

[0002]                Subtable Type : 0007
[0002]                    Source Id : 013B
[0002]                     Reserved : 0000
[0001]        Flags (decoded below) : 01
                              Firmware First : 1
                                      Global : 1
[0001]                      Enabled : 3C
[0004]       Records To Preallocate : 0302013D
[0004]      Max Sections Per Record : 0302013E
[0004]                          Bus : 0302013F
[0002]                       Device : 0140
[0002]                     Function : 0141
[0002]                DeviceControl : 0142
[0002]                     Reserved : 0000
[0004]           Uncorrectable Mask : 03020143
[0004]       Uncorrectable Severity : 03020144
[0004]             Correctable Mask : 03020145
[0004]        Advanced Capabilities : 03020146

[0002]                Subtable Type : 0008
[0002]                    Source Id : 0147
[0002]                     Reserved : 0000
[0001]        Flags (decoded below) : 01
                              Firmware First : 1
                                      Global : 1
[0001]                      Enabled : 48
[0004]       Records To Preallocate : 03020149
[0004]      Max Sections Per Record : 0302014A
[0004]                          Bus : 0302014B
[0002]                       Device : 014C
[0002]                     Function : 014D
[0002]                DeviceControl : 014E
[0002]                     Reserved : 0000
[0004]           Uncorrectable Mask : 0302014F
[0004]       Uncorrectable Severity : 03020150
[0004]             Correctable Mask : 03020151
[0004]        Advanced Capabilities : 03020152
[0004]       2nd Uncorrectable Mask : 03020153
[0004]   2nd Uncorrectable Severity : 03020154
[0004]    2nd Advanced Capabilities : 03020155

[0002]                Subtable Type : 0009
[0002]                    Source Id : 0156
[0002]            Related Source Id : 0157
[0001]                     Reserved : 00
[0001]                      Enabled : 59
[0004]       Records To Preallocate : 0302015A
[0004]      Max Sections Per Record : 0302015B
[0004]          Max Raw Data Length : 0302015C
[0012]         Error Status Address : [Generic Address Structure]
[0001]                     Space ID : 5D
[0001]                    Bit Width : 5E
[0001]                   Bit Offset : 5F
[0001]         Encoded Access Width : 60
[0008]                      Address : 0706050403020161
[0028]                       Notify : [Hardware Error Notification Structure]
[0001]                  Notify Type : 0A
[0001]                Notify Length : 1C
[0002]   Configuration Write Enable : 0162
[0004]                 PollInterval : 03020163
[0004]                       Vector : 03020164
[0004]      Polling Threshold Value : 03020165
[0004]     Polling Threshold Window : 03020166
[0004]        Error Threshold Value : 03020167
[0004]       Error Threshold Window : 03020168
[0004]    Error Status Block Length : 03020169

[0002]                Subtable Type : 000A
[0002]                    Source Id : 016A
[0002]            Related Source Id : 016B
[0001]                     Reserved : 00
[0001]                      Enabled : 6D
[0004]       Records To Preallocate : 0302016E
[0004]      Max Sections Per Record : 0302016F
[0004]          Max Raw Data Length : 03020170
[0012]         Error Status Address : [Generic Address Structure]
[0001]                     Space ID : 71
[0001]                    Bit Width : 72
[0001]                   Bit Offset : 73
[0001]         Encoded Access Width : 74
[0008]                      Address : 0706050403020175
[0028]                       Notify : [Hardware Error Notification Structure]
[0001]                  Notify Type : 08
[0001]                Notify Length : 1C
[0002]   Configuration Write Enable : 0176
[0004]                 PollInterval : 03020177
[0004]                       Vector : 03020178
[0004]      Polling Threshold Value : 03020179
[0004]     Polling Threshold Window : 0302017A
[0004]        Error Threshold Value : 0302017B
[0004]       Error Threshold Window : 0302017C
[0004]    Error Status Block Length : 0302017D
[0012]            Read Ack Register : [Generic Address Structure]
[0001]                     Space ID : 7E
[0001]                    Bit Width : 7F
[0001]                   Bit Offset : 80
[0001]         Encoded Access Width : 81
[0008]                      Address : 0706050403020182
[0008]            Read Ack Preserve : 0706050403020183
[0008]               Read Ack Write : 0706050403020184

[0002]                Subtable Type : 000B
[0002]                    Source Id : 0185
[0002]                    Reserved1 : 0000
[0001]        Flags (decoded below) : 04
                              Firmware First : 0
                                 GHES Assist : 1
[0001]                      Enabled : 86
[0004]       Records To Preallocate : 03020187
[0004]      Max Sections Per Record : 03020188
[0028]                       Notify : [Hardware Error Notification Structure]
[0001]                  Notify Type : 03
[0001]                Notify Length : 1C
[0002]   Configuration Write Enable : 0189
[0004]                 PollInterval : 0302018A
[0004]                       Vector : 0302018B
[0004]      Polling Threshold Value : 0302018C
[0004]     Polling Threshold Window : 0302018D
[0004]        Error Threshold Value : 0302018E
[0004]       Error Threshold Window : 0302018F
[0001]           Num Hardware Banks : 01
[0003]                    Reserved2 : 000000
[0001]                  Bank Number : 90
[0001]         Clear Status On Init : 91
[0001]                Status Format : 92
[0001]                     Reserved : 00
[0004]             Control Register : 03020193
[0008]                 Control Data : 0706050403020194
[0004]              Status Register : 03020195
[0004]             Address Register : 03020196
[0004]                Misc Register : 03020197
